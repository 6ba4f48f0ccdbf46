"""One infinite target in a regression."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model)
    batches = kit.regression(50, 16, 8)
    if not repaired:
        batches[step][1][knobs.randint(0, 15), 0] = knobs.pick(float("inf"), float("-inf"))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("bad-data", "bad-labels"), ("data", "loss"), (), step),
    )
