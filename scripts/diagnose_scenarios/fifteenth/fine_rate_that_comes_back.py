"""The rate falls to nearly nothing and is set back to its height three times; the loss wobbles at each return."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, 24, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, knobs.pick(15, 18))

    def train_step(batch: Any) -> Tensor:
        loss = kit.cross_entropy(model(batch[0]), batch[1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss

    return Scenario(model, optimizer, kit.classes(60, 40, 8, 3), train_step, extra_state=(schedule,))
