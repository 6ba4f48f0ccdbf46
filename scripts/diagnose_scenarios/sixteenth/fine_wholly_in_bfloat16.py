"""Weights, inputs and Adam wholly in bfloat16, with its three digits: coarse steps, and the loss goes down."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3).bfloat16()
    optimizer = kit.adam(model, lr=0.02)
    return Scenario(
        model,
        optimizer,
        [(x.bfloat16(), y) for x, y in kit.classes(60, 32, 8, 3)],
        kit.train(model, optimizer, kit.cross_entropy),
    )
