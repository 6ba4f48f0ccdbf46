"""Plain gradient descent with a learning rate of 20."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model, lr=0.05 if repaired else knobs.pick(10.0, 20.0))
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 16, 8),
        kit.train(model, optimizer, kit.squares),
        Expected(("learning-rate",), (), (), None),
    )
