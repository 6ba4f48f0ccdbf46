"""The rate falls along a cosine to exactly zero ten steps before the end, and the last steps change nothing."""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(24, 32), 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * min(step, 50) / 50))
    )
    inner = kit.train(model, optimizer, kit.cross_entropy)

    def train_step(batch: Any) -> Tensor:
        loss = inner(batch)
        scheduler.step()
        return loss

    return Scenario(model, optimizer, kit.classes(60, 32, 8, 3), train_step, extra_state=(scheduler,))
