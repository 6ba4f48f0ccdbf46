"""Adam's eps was typed as 1e8 where 1e-8 was meant: it is all of the divisor, and no weight ever moves."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    optimizer = kit.adam(model, lr=0.02, eps=1e-8 if repaired else knobs.pick(1e8, 1e9))
    return Scenario(
        model,
        optimizer,
        kit.classes(50, 32, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("optimizer-eps",), (), (), None, "stalls"),
    )
