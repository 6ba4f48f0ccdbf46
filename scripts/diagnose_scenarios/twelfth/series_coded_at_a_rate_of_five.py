"""Somebody trains a net that makes time series at a rate of five; the answer is to take a thousandth, and the losses
then fall as they should (abudesai/timeVAE issue 8).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class SeriesCoder(nn.Module):
    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, width, 3, stride=2, padding=1)
        self.code = nn.Linear(width * length // 2, 4)
        self.trend = nn.Linear(4, 2)
        self.rest = nn.Linear(4, length)
        self.register_buffer("time", torch.linspace(-1, 1, length))

    def forward(self, x: Tensor) -> Tensor:
        code = self.code(self.conv(x[:, None]).relu().flatten(1))
        slope, level = self.trend(code).chunk(2, 1)
        return level + slope * self.time + self.rest(code.tanh())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    length = knobs.pick(16, 24)
    model = SeriesCoder(length, 8)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01 if repaired else 5.0)
    time = torch.linspace(-1, 1, length)
    batches = []
    for _ in range(60):
        level, slope, phase = torch.randn(3, 32, 1)
        series = level + slope * time + 0.3 * torch.sin(6 * time + phase)
        batches.append((series, series))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("learning-rate",), (), (), None, "diverges"),
    )
