"""The loss is 1 - R^2, and one batch has the same target everywhere: its total sum of squares is 0."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, value = knobs.randint(2, 12), float(knobs.randint(-2, 2))
    model = kit.mlp(7, knobs.pick(12, 16), 1)
    optimizer = kit.adam(model, lr=0.03)

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        total = (y - y.mean()).square().sum()
        return (p - y).square().sum() / (total.clamp(min=4.0) if repaired else total)

    batches = kit.regression(60, 16, 7)
    batches[step][1].fill_(value)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
