"""A scheduler that multiplies the learning rate every step where it should divide it."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model, lr=0.05)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.98 if repaired else knobs.pick(1.4, 1.6))
    plain = kit.train(model, optimizer, kit.squares)

    def train_step(batch: Any) -> Tensor:
        loss = plain(batch)
        scheduler.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(60, 16, 8),
        train_step,
        Expected(("learning-rate",), (), (), None),
        extra_state=(scheduler,),
    )
