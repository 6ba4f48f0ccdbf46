"""A third of the targets is NaN because nobody measured there; the loss takes only the others."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    outputs = knobs.pick(3, 4)
    model = kit.mlp(8, 16, outputs)
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for x, y in kit.regression(60, 16, 8, outputs):
        y[torch.rand_like(y) < 0.33] = math.nan
        batches.append({"x": x, "y": y})

    def train_step(batch: dict[str, Tensor]) -> Tensor:
        optimizer.zero_grad()
        known = batch["y"].isfinite()
        loss = (model(batch["x"])[known] - batch["y"][known]).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(model, optimizer, batches, train_step)
