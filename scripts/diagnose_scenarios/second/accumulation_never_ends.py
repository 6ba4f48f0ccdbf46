"""Gradients are to be zeroed every so many steps, but the counter starts anew in each step."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model, lr=0.03, momentum=0.9)
    every, count = knobs.pick(2, 4), [0]

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        loss = kit.squares(model(x), y)
        (loss / every).backward()
        count[0] = count[0] + 1 if repaired else 1
        if not repaired:
            optimizer.step()
        if count[0] % every == 0:
            optimizer.step()
            optimizer.zero_grad()
        return loss

    return Scenario(
        model, optimizer, kit.regression(240, 16, 8), train_step, Expected(("zero-grad",), (), (), None, "nonfinite")
    )
