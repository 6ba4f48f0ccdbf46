"""Time series with NaN where a sensor was off; only measured values are picked out before the net sees anything."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(4, knobs.pick(16, 24), 1)
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        series, target, measured = batch
        optimizer.zero_grad()
        loss = kit.squares(model(series[measured]), target[measured])
        loss.backward()
        optimizer.step()
        return loss

    teacher = torch.randn(4, 1)
    batches = []
    for _ in range(60):
        series = torch.randn(6, 10, 4)
        target, measured = series @ teacher, torch.rand(6, 10) < 0.8
        series[~measured], target[~measured] = float("nan"), float("nan")
        batches.append((series, target, measured))
    return Scenario(model, optimizer, batches, train_step)
