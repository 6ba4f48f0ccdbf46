"""The likelihood of the brightness becomes not a number when flows in a causal model are trained; a lower rate for
them usually helps (biomedia-mira/deepscm issue 1).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Affine(nn.Module):
    """Moves and scales one number, given the other."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, width), nn.ReLU(), nn.Linear(width, 2))

    def forward(self, x: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        move, log_scale = self.net(given).unbind(-1)
        return (x - move) * (-log_scale).exp(), -log_scale


class Causal(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.thickness = nn.Parameter(torch.zeros(2))
        self.intensity = Affine(width)

    def forward(self, x: Tensor) -> Tensor:
        thick, bright = x.unbind(1)
        z1, d1 = (thick - self.thickness[0]) * (-self.thickness[1]).exp(), -self.thickness[1]
        z2, d2 = self.intensity(bright, thick[:, None])
        return -0.5 * (z1.square() + z2.square()) + d1 + d2


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Causal(knobs.pick(12, 16))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01 if repaired else knobs.pick(3.0, 5.0))

    def train_step(x: Tensor) -> Tensor:
        loss = -model(x).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        thick = 2.5 + 0.6 * torch.randn(48)
        batches.append(torch.stack([thick, 2 * thick - 4 + 0.5 * torch.randn(48)], 1))
    return Scenario(model, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None, "diverges"))
