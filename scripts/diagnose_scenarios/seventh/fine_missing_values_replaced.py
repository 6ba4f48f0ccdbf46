"""Tables come with NaN; the training replaces it before the net sees it and adds a column that says so."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(12, knobs.pick(24, 32), 1)
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        missing = x.isnan()
        loss = kit.squares(model(torch.cat([x.nan_to_num(0.0), missing.float()], 1)), y)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for x, y in kit.regression(100, 32, 6):
        batches.append((x.masked_fill(torch.rand_like(x) < 0.1, float("nan")), y))
    return Scenario(model, optimizer, batches, train_step)
