"""A test that raises the learning rate until the loss explodes is run on the model itself, and its weights are not put
back before training (Lightning-AI/pytorch-lightning issue 6675).
"""

from __future__ import annotations

import copy
from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(24, 32)
    model = kit.named(inp=nn.Linear(10, width), act=nn.ReLU(), mid=nn.Linear(width, width), act2=nn.ReLU())
    model.add_module("out", nn.Linear(width, 1))
    optimizer = kit.sgd(model, lr=1e-4, momentum=0.9)
    tested, factor = 22, knobs.pick(1.9, 2.0)
    before = copy.deepcopy(model.state_dict())
    count = 0

    def train_step(batch: Any) -> Tensor:
        nonlocal count
        x, y = batch
        loss = kit.squares(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        count += 1
        (group,) = optimizer.param_groups
        if not repaired and count < tested:
            group["lr"] *= factor
        elif count == tested or repaired:
            group["lr"] = 0.02
        if repaired and count == 1:
            model.load_state_dict(before)
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(90, 16, 10),
        train_step,
        Expected(("learning-rate",), (), (), None),
    )
