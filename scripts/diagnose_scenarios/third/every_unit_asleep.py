"""The biases of the hidden layer begin at minus fifty: no rectifier is ever open, and nothing before it learns."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(24, 32)
    model = kit.named(
        conv=nn.Conv2d(2, 8, 3), act=nn.Tanh(), flat=nn.Flatten(), fc=nn.Linear(8 * 16, width), open=nn.ReLU()
    )
    model.add_module("head", nn.Linear(width, 3))
    with torch.no_grad():
        model.fc.bias.fill_(0.0 if repaired else -knobs.pick(50.0, 60.0))
    optimizer = kit.sgd(model, lr=0.05, momentum=0.5)
    return Scenario(
        model,
        optimizer,
        kit.images(60, 16, 2, 6, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("initialisation",), (), (), None, "stalls"),
    )
