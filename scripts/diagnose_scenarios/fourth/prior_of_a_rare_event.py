"""The last bias begins at the log odds of an event that was given a probability of e^-300: the sigmoid is 0 and has no
slope.
"""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    nn.init.constant_(model.head.bias, -3.0 if repaired else -knobs.pick(300.0, 400.0))
    optimizer = kit.adam(model, lr=0.03)
    batches = [(x, (y > 0).float()) for x, y in kit.regression(60, 64, 8)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda scores, y: kit.squares(scores.sigmoid(), y)),
        Expected(("initialisation",), (), (), None, "stalls"),
    )
