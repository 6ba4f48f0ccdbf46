"""Momentum of 0.99 with a rate small enough for it: the loss swings and comes down."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model, lr=0.002, momentum=0.99)
    return Scenario(model, optimizer, kit.regression(200, 32, 8), kit.train(model, optimizer, kit.squares))
