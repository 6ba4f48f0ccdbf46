"""A schedule meant for epochs is stepped every batch: the rate is a ten-thousandth before the net has learnt."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(10, knobs.pick(16, 20), 1)
    optimizer = kit.adam(model, lr=0.005)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=knobs.pick(0.1, 0.15))
    plain, calls = kit.train(model, optimizer, kit.squares), [0]

    def train_step(batch: Any) -> Tensor:
        loss = plain(batch)
        calls[0] += 1
        if not repaired or calls[0] % 50 == 0:
            schedule.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(90, 64, 10),
        train_step,
        Expected(("learning-rate",), (), (), None, "stalls"),
        extra_state=(schedule,),
    )
