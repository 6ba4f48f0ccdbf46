"""A negative price in a loss on log(1 + y)."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model)
    batches = [(x, y.exp()) for x, y in kit.regression(50, 16, 8)]
    if not repaired:
        batches[step][1][knobs.randint(0, 15), 0] = knobs.pick(-1.0, -2.5, -999.0)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda p, y: kit.squares(p, y.log1p())),
        Expected(("bad-labels",), ("loss",), (LOSS,), step),
    )
