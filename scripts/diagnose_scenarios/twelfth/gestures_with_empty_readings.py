"""All that a classifier of many-valued series says is not a number; its input has readings without a value, and a
transform that puts zero there cures it (timeseriesAI/tsai issue 506).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Gestures(nn.Module):
    def __init__(self, sensors: int, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(sensors)
        self.rnn = nn.GRU(sensors, width, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * width, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(self.norm(x).mT)[0].mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    sensors = knobs.pick(4, 5)
    model = Gestures(sensors, 8)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    moves = torch.randn(4, sensors, 10)
    batches = []
    for _ in range(40):
        y = torch.randint(4, (24,))
        x = moves[y] + 0.3 * torch.randn(24, sensors, 10)
        lost = torch.rand_like(x) < 0.02
        batches.append((x.masked_fill(lost, 0.0 if repaired else math.nan), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, clip=1.0),
        Expected(("bad-data",), ("data",), (), 0),
    )
