"""Forty-odd layers are drawn orthogonal with a gain of twelve: single precision ends before the net does."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, gain = knobs.pick(8, 12), knobs.pick(12.0, 16.0)
    layers = []
    for _ in range(48):
        layer = nn.Linear(width, width)
        nn.init.orthogonal_(layer.weight, 1.0 if repaired else gain)
        layers += [layer, nn.LeakyReLU(0.5 if not repaired else 0.9)]
    model = kit.named(stem=nn.Linear(5, width), tower=nn.Sequential(*layers), head=nn.Linear(width, 1))
    optimizer = kit.adam(model, lr=0.002)
    batches = kit.regression(60, 16, 5)
    place = kit.first_overflow(model, batches[0][0])
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("initialisation",), ("forward",), (place,)),
    )
