"""The learning rate goes up and down in cycles, by a factor of 100; at every crest the loss rises and falls again."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(8, 32), act=nn.Tanh(), mid=nn.Linear(32, 32), act2=nn.Tanh(), head=nn.Linear(32, 2))
    optimizer = kit.sgd(model, lr=0.003, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CyclicLR(
        optimizer, base_lr=0.002, max_lr=knobs.pick(0.15, 0.2), step_size_up=knobs.pick(8, 10), cycle_momentum=False
    )

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss

    return Scenario(model, optimizer, kit.regression(80, 32, 8, 2), train_step, extra_state=(schedule,))
