"""Warm-up begins with a learning rate of exactly zero for a few steps: the weights do not move at all."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    still = knobs.randint(5, 8)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(max(step - still, 0) / 10, 1.0))

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = kit.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
        return loss

    return Scenario(model, optimizer, kit.classes(70, 32, 8, 3), train_step, extra_state=(scheduler,))
