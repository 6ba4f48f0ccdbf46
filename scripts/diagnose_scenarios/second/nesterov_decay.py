"""Weight decay of 40 under Nesterov momentum."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(a=nn.Linear(8, width), act=nn.Tanh(), b=nn.Linear(width, 3))
    decay = 1e-3 if repaired else knobs.pick(40.0, 60.0)
    optimizer = kit.sgd(model, lr=0.1, momentum=0.5, nesterov=True, weight_decay=decay)
    return Scenario(
        model,
        optimizer,
        kit.classes(150, 16, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("weight-decay",), (), (), None),
    )
