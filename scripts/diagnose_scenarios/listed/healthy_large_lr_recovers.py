"""A learning rate near the edge: the loss jumps at first and then falls."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model, lr=knobs.pick(0.3, 0.4))
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.95)
    plain = kit.train(model, optimizer, kit.squares)

    def train_step(batch: Any) -> Tensor:
        loss = plain(batch)
        scheduler.step()
        return loss

    return Scenario(model, optimizer, kit.regression(80, 32, 8), train_step, extra_state=(scheduler,))
