"""A warm-up that begins at a rate of exactly 0: the first steps rightly change nothing."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.03)
    quiet = knobs.pick(4, 5)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, max(0, step - quiet) / 10))
    plain = kit.train(model, optimizer, kit.cross_entropy)

    def train_step(batch: Any) -> Tensor:
        loss = plain(batch)
        schedule.step()
        return loss

    return Scenario(model, optimizer, kit.classes(60, 16, 8, 3), train_step, extra_state=(schedule,))
