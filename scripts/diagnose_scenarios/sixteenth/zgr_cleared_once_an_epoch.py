"""Gradients are cleared at the start of an epoch only; within the epoch every step adds to all before it."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    steps, width = 240, knobs.pick(12, 16)
    model = kit.named(a=nn.Linear(6, width), act=nn.ReLU(), b=nn.Linear(width, 2))
    optimizer = kit.sgd(model, lr=knobs.pick(0.08, 0.12), momentum=0.9)
    done = [0]

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        if repaired or done[0] % 1000 == 0:
            optimizer.zero_grad()
        done[0] += 1
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(steps, 16, 6, 2),
        train_step,
        Expected(("zero-grad",), (), (), None),
    )
