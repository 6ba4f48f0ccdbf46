"""The future covariates of a forecaster are complete, but one of the past ones has a gap of NaN (unit8co/darts issue
1977).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Forecaster(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.rnn = nn.GRU(3, width, batch_first=True)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0][:, -1])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Forecaster(knobs.pick(12, 16))
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for number in range(50):
        series, past = torch.randn(16, 8, 1), torch.randn(16, 8, 2)
        y = series[:, -1] + 0.5 * past[:, -1, :1]
        if number == step and not repaired:
            past[knobs.randint(0, 15), 2:4, 1] = math.nan
        batches.append((torch.cat([series, past], -1), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("bad-data",), ("data",), (), step),
    )
