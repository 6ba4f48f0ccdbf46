"""Gradients are cleared after backward and before the step: the optimizer never sees one, the loss stays where it
was.
"""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(7, knobs.pick(16, 24), 3)
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        if repaired:
            optimizer.zero_grad(set_to_none=False)
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        if not repaired:
            optimizer.zero_grad(set_to_none=False)
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.classes(60, 32, 7, 3),
        train_step,
        Expected(("zero-grad",), (), (), None, "stalls"),
    )
