"""The group of the new head was to get ten times the rate of the body and got ten thousand times."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh())
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model, rate = Net(knobs.pick(16, 24)), knobs.pick(0.003, 0.005)
    groups = [
        {"params": model.body.parameters(), "lr": rate},
        {"params": model.head.parameters(), "lr": rate * (10 if repaired else 10000)},
    ]
    optimizer = torch.optim.SGD(groups, lr=rate, momentum=0.5)
    return Scenario(
        model,
        optimizer,
        kit.regression(70, 24, 8, 2),
        kit.train(model, optimizer, kit.squares),
        Expected(("learning-rate",), (), (), None),
    )
