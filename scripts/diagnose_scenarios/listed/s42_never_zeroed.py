"""zero_grad is never called: gradients pile up under a momentum of 0.9."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model, lr=knobs.pick(0.02, 0.03), momentum=0.9)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        if repaired:
            optimizer.zero_grad()
        loss = kit.squares(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model, optimizer, kit.regression(200, 16, 8), train_step, Expected(("zero-grad",), (), (), None, "nonfinite")
    )
