"""A rate of 1e-9, left over from fine-tuning something else: nothing is wrong but that nothing moves."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    count = knobs.pick(3, 5)
    model = kit.named(inp=nn.Linear(9, knobs.pick(16, 20)), act=nn.GELU(), norm=nn.Identity())
    model.add_module("head", nn.Linear(model.inp.out_features, count))
    optimizer = kit.adam(model, lr=0.01 if repaired else knobs.pick(1e-9, 3e-9))
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 32, 9, count),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("learning-rate",), (), (), None, "stalls"),
    )
