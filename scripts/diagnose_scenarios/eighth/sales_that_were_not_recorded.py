"""The column to be forecast has missing values in one window of one series, which nobody filled
(Nixtla/neuralforecast issue 186).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Blocks(nn.Module):
    """Two residual blocks, each with a forecast of its own."""

    def __init__(self, length: int, horizon: int, width: int) -> None:
        super().__init__()
        self.body = nn.ModuleList(nn.Sequential(nn.Linear(length, width), nn.ReLU()) for _ in range(2))
        self.back = nn.ModuleList(nn.Linear(width, length) for _ in range(2))
        self.ahead = nn.ModuleList(nn.Linear(width, horizon) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        total: Any = 0
        for body, back, ahead in zip(self.body, self.back, self.ahead, strict=True):
            h = body(x)
            x, total = x - back(h), total + ahead(h)
        return total


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    length, horizon, step = knobs.pick(16, 24), 4, knobs.step()
    model = Blocks(length, horizon, 32)
    optimizer = kit.adam(model, lr=0.003)
    batches = []
    for number in range(60):
        phase = 6.28 * torch.rand(32, 1)
        wave = (phase + 0.5 * torch.arange(length + horizon)).sin() + 0.05 * torch.randn(32, length + horizon)
        if number == step and not repaired:
            wave[knobs.randint(0, 31), length // 2 : length // 2 + 3] = math.nan
        batches.append((wave[:, :length], wave[:, length:]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, nn.functional.l1_loss),
        Expected(("bad-data",), ("data",), (), step),
    )
