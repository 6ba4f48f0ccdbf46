"""The weights that compute are halves made anew from single-precision masters in each step; small steps add up."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Master(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, width)
        self.second = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = nn.functional.linear(x.half(), self.first.weight.half(), self.first.bias.half()).relu()
        return nn.functional.linear(h, self.second.weight.half(), self.second.bias.half())


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Master(6, knobs.pick(16, 24))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    scaler = kit.new_scaler(2.0**8)
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 32, 6),
        kit.train(model, optimizer, kit.squares, scaler=scaler),
        scaler=scaler,
    )
