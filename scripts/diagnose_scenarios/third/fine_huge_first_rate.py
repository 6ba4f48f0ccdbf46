"""The learning rate begins at 50 and falls tenfold a step to 0.05; clipping keeps every step short."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model, lr=knobs.pick(50.0, 80.0))

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = kit.squares(model(x), y)
        loss.backward()
        group = optimizer.param_groups[0]
        nn.utils.clip_grad_norm_(model.parameters(), 0.2 / group["lr"] if group["lr"] > 0.1 else 1.0)
        optimizer.step()
        group["lr"] = max(0.05, group["lr"] / 10)
        return loss

    return Scenario(model, optimizer, kit.regression(100, 32, 8), train_step)
