"""Fifty orthogonal layers with a gain of 10 instead of 1."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    layers = [nn.Linear(width, width, bias=False) for _ in range(50)]
    for layer in layers:
        nn.init.orthogonal_(layer.weight, 1.0 if repaired else knobs.pick(8.0, 10.0))
    model = kit.named(enc=nn.Linear(8, width), trunk=nn.Sequential(*layers), out=nn.Linear(width, 1))
    optimizer = kit.sgd(model, lr=0.001)
    batches = kit.regression(60, 16, 8)
    place = kit.first_overflow(model, batches[0][0])
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("initialisation",), ("forward",), (place,)),
    )
