"""A missing value in the target column of a table."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.mlp(5, knobs.pick(16, 24), 2)
    optimizer = kit.adam(model, lr=0.02)
    batches = kit.regression(60, 16, 5, 2)
    if not repaired:
        batches[step][1][knobs.randint(0, 15), 1] = float("nan")
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda p, y: nn.functional.huber_loss(p, y)),
        Expected(("bad-labels", "bad-data"), ("data", "loss"), (), step),
    )
