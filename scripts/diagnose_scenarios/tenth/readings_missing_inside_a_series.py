"""Series of unequal length are padded with NaN, and the encoder cuts off what is missing at the end; one series has
readings missing in its middle (White-Link/UnsupervisedScalableRepresentationLearningTimeSeries issue 19).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Encoder(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, width, 3)
        self.dilated = nn.Conv1d(width, width, 3, dilation=2)
        self.head = nn.Linear(width, 1)

    def forward(self, series: Tensor) -> Tensor:
        pooled = []
        for one in series:
            seen = int((~one.isnan()).nonzero().max()) + 1
            x = nn.functional.pad(one[None, None, :seen], (2, 0))
            pooled.append(self.dilated(nn.functional.pad(self.conv(x).relu(), (4, 0))).amax(-1))
        return self.head(torch.cat(pooled))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, length = knobs.randint(12, 24), 24
    model = Encoder(knobs.pick(8, 10))
    optimizer = kit.adam(model, lr=0.01)
    batches = []
    for number in range(40):
        height = 2 * torch.rand(6, 1)
        series = height * torch.sin(torch.arange(length) * 0.5 + 6 * torch.rand(6, 1)) + 0.1 * torch.randn(6, length)
        for row in range(6):
            series[row, knobs.randint(16, length) :] = math.nan
        if number == step:
            hole = slice(5, 5 + knobs.randint(1, 4))
            series[knobs.randint(0, 5), hole] = 0.0 if repaired else math.nan
        batches.append((series, height))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("bad-data",), ("data", "forward"), ("conv",), step),
    )
