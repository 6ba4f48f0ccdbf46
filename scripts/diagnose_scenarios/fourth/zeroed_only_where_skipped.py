"""zero_grad slipped into the branch that drops a step whose loss is not finite; no other step zeroes its gradients."""

from __future__ import annotations

import math
from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs = knobs.pick(8, 10)
    model = kit.named(
        inp=nn.Linear(inputs, 16), act=nn.ELU(), mid=nn.Linear(16, 8), more=nn.LeakyReLU(), head=nn.Linear(8, 1)
    )
    optimizer = kit.sgd(model, lr=knobs.pick(0.08, 0.1), momentum=0.9)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        loss = kit.squares(model(x), y)
        if repaired:
            optimizer.zero_grad()
        if not math.isfinite(loss.item()):
            optimizer.zero_grad()
            return loss
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(200, 16, inputs),
        train_step,
        Expected(("zero-grad",), (), (), None, "nonfinite"),
    )
