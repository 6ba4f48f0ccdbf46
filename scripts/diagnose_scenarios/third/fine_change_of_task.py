"""Halfway the targets become others and forty times as large: the loss jumps by three orders, and then falls."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(24, 32), 1)
    optimizer = kit.adam(model, lr=0.03)
    factor = knobs.pick(30.0, 40.0)
    second = [(x, factor * y) for x, y in kit.regression(120, 32, 8)]
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 32, 8) + second,
        kit.train(model, optimizer, kit.squares),
        learns=False,
    )
