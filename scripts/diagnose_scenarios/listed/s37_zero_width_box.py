"""A box of no width in a loss on log(width / anchor)."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, anchor = knobs.step(), knobs.pick(8.0, 16.0)
    model = kit.mlp(8, knobs.pick(16, 24), 2)
    optimizer = kit.sgd(model)
    batches = [(x, anchor * y.exp()) for x, y in kit.regression(50, 16, 8, 2)]
    if not repaired:
        batches[step][1][knobs.randint(0, 15), knobs.randint(0, 1)] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda p, boxes: kit.squares(p, (boxes / anchor).log())),
        Expected(("bad-labels",), ("loss",), (LOSS,), step),
    )
