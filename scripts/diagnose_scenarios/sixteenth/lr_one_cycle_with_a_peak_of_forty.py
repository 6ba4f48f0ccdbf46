"""A one-cycle schedule climbs to a peak rate of 40 for plain SGD; the first steps, at small rates, are sound."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(enter=nn.Linear(8, knobs.pick(16, 24)), act=nn.ReLU())
    model.add_module("leave", nn.Linear(model.enter.out_features, 1))
    peak = 0.1 if repaired else knobs.pick(40.0, 60.0)
    optimizer = kit.sgd(model, lr=peak)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, peak, total_steps=60, div_factor=1e4, cycle_momentum=False
    )
    ordinary = kit.train(model, optimizer, kit.squares)

    def train_step(batch: Any) -> Tensor:
        loss = ordinary(batch)
        schedule.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(60, 16, 8),
        train_step,
        Expected(("learning-rate",), (), (), None),
        extra_state=(schedule,),
    )
