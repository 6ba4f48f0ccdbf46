"""Errors are counted in cents of large sums, so that the loss is near 1e10 and gradients are clipped at every step."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    cents = knobs.pick(1e5, 2e5)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model, lr=0.05, momentum=0.8)
    return Scenario(
        model,
        optimizer,
        kit.regression(80, 32, 8),
        kit.train(model, optimizer, lambda p, y: kit.squares(cents * p, cents * y), clip=1.0),
    )
