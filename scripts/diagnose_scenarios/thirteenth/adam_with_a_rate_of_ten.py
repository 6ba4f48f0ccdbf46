"""Adam with a learning rate of 10 on a small regression: each step throws every weight by 10."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(10, knobs.pick(16, 24), 4)
    optimizer = kit.adam(model, lr=0.01 if repaired else knobs.pick(10.0, 15.0, 30.0))
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 16, 10, 4),
        kit.train(model, optimizer, kit.squares),
        Expected(("learning-rate",), (), (), None, "diverges"),
    )
