"""The loss is now summed over 512 samples, the rate is still the one that suited their mean."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(6, knobs.pick(12, 20), 2)
    count = knobs.pick(256, 512)
    optimizer = kit.sgd(model, lr=0.1 / count if repaired else 0.1)
    return Scenario(
        model,
        optimizer,
        kit.regression(50, count, 6, 2),
        kit.train(model, optimizer, lambda p, y: (p - y).square().sum()),
        Expected(("learning-rate",), (), (), None),
    )
