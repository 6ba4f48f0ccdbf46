"""Weights are learnt as direction and length, with heavy dropout between the layers."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(32, 48)
    normed = nn.utils.parametrizations.weight_norm
    model = kit.named(a=normed(nn.Linear(8, width)), act=nn.ReLU(), drop=nn.Dropout(0.5), b=normed(nn.Linear(width, 3)))
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)
    return Scenario(model, optimizer, kit.classes(60, 32, 8, 3), kit.train(model, optimizer, kit.cross_entropy))
