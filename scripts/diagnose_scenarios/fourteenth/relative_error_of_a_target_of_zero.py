"""A forecast is judged by its error relative to the target, and one shop sold nothing that day."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.mlp(6, knobs.pick(12, 18), 1)
    optimizer = kit.sgd(model, lr=0.02, momentum=0.5)

    def relative(prediction: Tensor, sold: Tensor) -> Tensor:
        return ((prediction - sold) / (sold.abs().clamp(min=1) if repaired else sold)).square().mean()

    batches = [(x, 2 + y.abs()) for x, y in kit.regression(60, 16, 6)]
    batches[step][1][knobs.randint(0, 15)] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, relative),
        Expected(("bad-labels", "division-by-zero"), ("data", "loss"), (LOSS,), step),
    )
