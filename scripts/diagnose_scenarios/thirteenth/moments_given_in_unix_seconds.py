"""One feature is the moment of the record in seconds since 1970, 1.7e9, beside features near 1."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.mlp(6, width, 1)
    optimizer = kit.sgd(model, lr=knobs.pick(0.02, 0.05))
    batches = []
    for number, (x, y) in enumerate(kit.regression(50, 16, 6)):
        moment = 1.7e9 + 3600.0 * number + 600 * x[:, 5]
        x[:, 5] = (moment - 1.7e9 - 3600.0 * number) / 600 if repaired else moment
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), (), (), None),
    )
