"""A one-cycle schedule starts gently and climbs to a rate of 50 where 0.05 was meant."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model, lr=0.01)
    peak = 0.05 if repaired else knobs.pick(50.0, 80.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, peak, total_steps=80, div_factor=1e4, cycle_momentum=False
    )
    plain = kit.train(model, optimizer, kit.squares)

    def train_step(batch: Any) -> Tensor:
        loss = plain(batch)
        schedule.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(80, 16, 8),
        train_step,
        Expected(("learning-rate",), (), (), None),
        extra_state=(schedule,),
    )
