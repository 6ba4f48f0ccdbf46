"""A weight decay thousands of times too large draws every weight to zero; every input gives the same output (as in
BVLC/caffe issue 1396, with a decay of 0.5).
"""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    decay = 5e-4 if repaired else knobs.pick(3.0, 4.0)
    model = kit.named(fc1=nn.Linear(8, width), relu=nn.ReLU(), fc2=nn.Linear(width, width), relu2=nn.ReLU())
    model.add_module("joints", nn.Linear(width, 4))
    optimizer = kit.sgd(model, lr=0.05, momentum=0.5, weight_decay=decay)
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 64, 8, 4),
        kit.train(model, optimizer, kit.squares),
        Expected(("weight-decay",), (), (), None, "stalls"),
    )
