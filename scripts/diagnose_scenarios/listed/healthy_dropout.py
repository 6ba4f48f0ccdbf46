"""Dropout: a repeated step draws other numbers unless the generator is restored."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(24, 32)
    model = kit.named(
        inp=nn.Linear(8, width), act=nn.ReLU(), drop=nn.Dropout(knobs.pick(0.3, 0.5)), head=nn.Linear(width, 3)
    )
    optimizer = kit.sgd(model, lr=0.1)
    return Scenario(model, optimizer, kit.classes(60, 16, 8, 3), kit.train(model, optimizer, kit.cross_entropy))
