"""Momentum of 0.95 swings around the optimum for some dozen steps: the loss rises several times before it settles."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs = knobs.pick(5, 7)
    model = nn.Linear(inputs, 2)
    optimizer = kit.sgd(model, lr=0.1, momentum=0.95)
    return Scenario(
        model,
        optimizer,
        [(x, y + 2) for x, y in kit.regression(120, 32, inputs, 2)],
        kit.train(model, optimizer, kit.squares),
    )
