"""A neural spring is integrated by 70 explicit steps that are too long for its stiffness: each one overshoots
further.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Springs(nn.Module):
    def __init__(self, step: float, count: int) -> None:
        super().__init__()
        self.force = nn.Linear(4, 4, bias=False)
        with torch.no_grad():
            self.force.weight.copy_(-8 * torch.eye(4) + 0.05 * torch.randn(4, 4))
        self.step, self.count = step, count

    def forward(self, place: Tensor) -> Tensor:
        for _ in range(self.count):
            place = place + self.step * self.force(place)
        return place


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(
        inp=nn.Linear(6, 4), springs=Springs(0.002 if repaired else knobs.pick(0.6, 0.8), 70), head=nn.Linear(4, 1)
    )
    optimizer = kit.adam(model, lr=0.03)
    return Scenario(
        model,
        optimizer,
        kit.regression(50, 16, 6),
        kit.train(model, optimizer, kit.squares),
        Expected(("exploding-gradients",), ("forward",), ("springs", "springs.force")),
    )
