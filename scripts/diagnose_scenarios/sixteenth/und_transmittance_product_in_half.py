"""The light that is left behind many samples of a ray is a product in float16, becomes 0, and its logarithm is minus
infinity.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Field(nn.Module):
    def __init__(self, width: int, density: float) -> None:
        super().__init__()
        self.inp = nn.Linear(3, width)
        self.density = nn.Linear(width, 1)
        self.level = density

    def forward(self, points: Tensor) -> Tensor:
        return nn.functional.softplus(self.density(torch.tanh(self.inp(points))) + self.level)[..., 0]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    samples, level = knobs.pick(40, 48), knobs.pick(0.3, 0.4)
    model = Field(knobs.pick(16, 24), level)
    optimizer = kit.adam(model, lr=0.01)

    def criterion(density: Tensor, depth: Tensor) -> Tensor:
        left = (-density).exp()
        left = left.float() if repaired else left.half()
        through = left.cumprod(1)[:, -1]
        return (-through.float().log() - depth).abs().mean()

    xs = [torch.randn(8, samples, 3) for _ in range(40)]
    return Scenario(
        model,
        optimizer,
        [(x, (x[..., 0].mean(1) + 0.4) * samples * 0.5) for x in xs],
        kit.train(model, optimizer, criterion),
        Expected(("underflow",), ("loss",), (LOSS,)),
    )
