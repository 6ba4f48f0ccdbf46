"""Measurements weighted by one over their squared error, in float16: the best measurement weighs more than 65504."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        x, y, error = batch
        optimizer.zero_grad()
        error = error.float() if repaired else error
        weight = 1 / error.square()
        miss = (model(x) - y).squeeze(1).to(weight.dtype)
        loss = (weight * miss.square()).sum() / weight.sum()
        loss.backward()
        optimizer.step()
        return loss

    batches = [(x, y, 0.2 + 0.2 * y.abs().squeeze(1).clamp(0, 1)) for x, y in kit.regression(60, 16, 8)]
    batches[step][2][knobs.randint(0, 15)] = knobs.pick(0.003, 0.0035)
    return Scenario(
        model,
        optimizer,
        [(x, y, error.half()) for x, y, error in batches],
        train_step,
        Expected(("fp16-overflow",), ("loss",), (LOSS,), step),
    )
