"""The hidden biases start at minus 40, so that no rectifier of the layer ever opens and no gradient passes it."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(20, 28)
    model = kit.named(lift=nn.Linear(5, width), relu=nn.ReLU(), out=nn.Linear(width, 1))
    with torch.no_grad():
        model.lift.bias.fill_(0.0 if repaired else -knobs.pick(40.0, 60.0))
        model.out.bias.zero_()
    optimizer = kit.sgd(model, lr=0.05)
    return Scenario(
        model,
        optimizer,
        kit.regression(80, 32, 5),
        kit.train(model, optimizer, kit.squares),
        Expected(("initialisation",), ("forward",), ("lift", "relu"), None, "stalls"),
    )
