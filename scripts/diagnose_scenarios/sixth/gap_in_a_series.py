"""A forecaster is trained on windows of a series that has a missing value; the window that holds it is not a number
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
    """Each block explains a part of the window and forecasts a part of what follows."""

    def __init__(self, window: int, horizon: int, width: int) -> None:
        super().__init__()
        self.stacks = nn.ModuleList(kit.mlp(window, width, window + horizon) for _ in range(2))
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        forecast: Any = 0
        for stack in self.stacks:
            out = stack(x)
            x, forecast = x - out[:, : self.window], forecast + out[:, self.window :]
        return forecast


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, window, horizon = knobs.step(), knobs.pick(10, 12), 3
    model = Blocks(window, horizon, 24)
    optimizer = kit.adam(model, lr=0.01)
    batches = []
    for number in range(60):
        start = torch.rand(16, 1) * 6
        series = (start + 0.5 * torch.arange(window + horizon)).sin() + 0.1 * torch.randn(16, window + horizon)
        if number == step and not repaired:
            series[knobs.randint(0, 15), knobs.randint(0, window - 1)] = math.nan
        batches.append((series[:, :window], series[:, window:]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, nn.functional.l1_loss),
        Expected(("bad-data",), ("data",), (), step),
    )
