"""A variational encoder's log-variance starts at 190: the deviation exp(95) is infinite."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Encoder(nn.Module):
    def __init__(self, width: int, start: float) -> None:
        super().__init__()
        self.mean, self.log_variance = nn.Linear(8, width), nn.Linear(8, width)
        nn.init.constant_(self.log_variance.bias, start)

    def forward(self, x: Tensor) -> Tensor:
        deviation = torch.exp(0.5 * self.log_variance(x))
        return self.mean(x) + deviation * torch.randn_like(deviation)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(4, 6)
    model = kit.named(
        encoder=Encoder(width, -6.0 if repaired else knobs.pick(190.0, 200.0)), decoder=nn.Linear(width, 8)
    )
    optimizer = kit.adam(model, lr=0.02)
    xs = [torch.randn(24, 3) @ torch.randn(3, 8, generator=torch.Generator().manual_seed(seed)) for _ in range(70)]
    return Scenario(
        model,
        optimizer,
        [(x, x) for x in xs],
        kit.train(model, optimizer, kit.squares),
        Expected(("initialisation",), ("forward",), ("encoder",)),
    )
