"""The mean relative error of forecast sales; on one day of one batch a shop was closed and sold nothing."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.adam(model, lr=0.05)

    def relative(prediction: Tensor, sold: Tensor) -> Tensor:
        return ((prediction - sold).abs() / (sold.clamp(min=1) if repaired else sold)).mean()

    batches = [(x, (10 + 3 * y).clamp(min=2)) for x, y in kit.regression(80, 32, 8)]
    batches[step][1][knobs.randint(0, 31)] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, relative),
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
