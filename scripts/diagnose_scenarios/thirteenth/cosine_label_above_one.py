"""Directions are labelled by their cosine; one label of 1.0004 came out of a rounded table and acos of it is NaN."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model, step = kit.mlp(6, knobs.pick(12, 16), 1), knobs.randint(10, 24)
    optimizer = kit.sgd(model, lr=0.05)
    batches = [(x, (y.sigmoid() * 3).cos()) for x, y in kit.regression(60, 16, 6)]
    if not repaired:
        batches[step][1][knobs.randint(0, 15)] = knobs.pick(1.0004, -1.002)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda p, cosine: kit.squares(p, cosine.acos())),
        Expected(("bad-labels",), ("loss",), (LOSS,), step),
    )
