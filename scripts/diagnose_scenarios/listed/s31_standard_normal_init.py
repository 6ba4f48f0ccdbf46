"""Forty-four layers with weights from N(0, 1): each multiplies by the root of its width."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(64, 96)
    layers = [nn.Linear(width, width, bias=False) for _ in range(44)]
    for layer in layers:
        if repaired:
            nn.init.orthogonal_(layer.weight)
        else:
            nn.init.normal_(layer.weight)
    model = kit.named(inp=nn.Linear(8, width), mid=nn.Sequential(*layers), head=nn.Linear(width, 1))
    optimizer = kit.sgd(model, lr=0.0005)
    batches = kit.regression(40, 16, 8)
    place = kit.first_overflow(model, batches[0][0])
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("initialisation",), ("forward",), (place,)),
    )
