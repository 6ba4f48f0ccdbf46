"""Windows have missing values, and both input and loss mask them out."""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(10, knobs.pick(24, 32), 10)
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        seen = batch.isfinite()
        optimizer.zero_grad()
        found = model(batch.nan_to_num())
        loss = ((found - batch.nan_to_num()) ** 2)[seen].mean()
        loss.backward()
        optimizer.step()
        return loss

    mix = torch.randn(3, 10)
    batches = [torch.randn(32, 3) @ mix for _ in range(60)]
    for batch in batches:
        batch[torch.rand_like(batch) < 0.1] = math.nan
    return Scenario(model, optimizer, batches, train_step)
