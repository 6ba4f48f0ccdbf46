"""One reading of one sensor in a window is infinite, as the logger writes it when the line is cut."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Forecaster(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv, self.rnn, self.out = nn.Conv1d(3, width, 3, padding=1), nn.GRU(width, 8), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.rnn(self.conv(x).relu().permute(2, 0, 1))[1][0])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Forecaster(knobs.pick(5, 7))
    optimizer = kit.adam(model, lr=0.02)
    xs = [torch.randn(12, 3, 10) for _ in range(50)]
    batches = [(x, x[:, 0, -3:].mean(1, keepdim=True)) for x in xs]
    if not repaired:
        batches[step][0][knobs.randint(0, 11), 1, 4] = math.inf
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("bad-data",), ("data",), (), step),
    )
