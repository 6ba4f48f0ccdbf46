"""zero_grad stands between backward and step: nothing ever moves."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model, lr=0.1, momentum=knobs.pick(0.0, 0.9))

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        if repaired:
            optimizer.zero_grad()
        loss = kit.squares(model(x), y)
        loss.backward()
        if not repaired:
            optimizer.zero_grad(set_to_none=False)
        optimizer.step()
        return loss

    return Scenario(
        model, optimizer, kit.regression(60, 64, 8), train_step, Expected(("zero-grad",), (), (), None, "stalls")
    )
