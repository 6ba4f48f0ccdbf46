"""A one-cycle schedule whose peak was meant in thousandths: the rate climbs to 50 in twenty steps."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(
        inp=nn.Linear(9, 20), act=nn.LeakyReLU(), mid=nn.Linear(20, 20), act2=nn.LeakyReLU(), head=nn.Linear(20, 2)
    )
    peak = 0.05 if repaired else knobs.pick(40.0, 50.0)
    optimizer = kit.sgd(model, lr=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=peak, total_steps=60, cycle_momentum=False)
    plain = kit.train(model, optimizer, kit.squares)

    def train_step(batch: Any) -> Tensor:
        loss = plain(batch)
        schedule.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(59, 16, 9, 2),
        train_step,
        Expected(("learning-rate",), (), (), None),
        extra_state=(schedule,),
    )
