"""Adam on float16 weights: eps 1e-8 is 0 in float16, and so is the square of a small gradient."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1).half()
    optimizer = kit.adam(model, lr=0.003, eps=1e-4 if repaired else 1e-8)
    factor = knobs.pick(0.02, 0.05)
    return Scenario(
        model,
        optimizer,
        [(x.half(), y.half()) for x, y in kit.regression(100, 32, 8)],
        kit.train(model, optimizer, lambda p, y: factor * kit.squares(p, y)),
        Expected(("optimizer-eps",), ("optimizer",)),
    )
