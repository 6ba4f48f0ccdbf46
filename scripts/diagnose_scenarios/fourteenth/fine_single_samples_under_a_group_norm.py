"""Batches of a single picture: a group norm needs no others, and the loss is noisy but falls."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(
        conv=nn.Conv2d(1, 8, 3),
        norm=nn.GroupNorm(knobs.pick(2, 4), 8),
        act=nn.SiLU(),
        flat=nn.Flatten(),
        head=nn.Linear(128, 2),
    )
    optimizer = kit.adam(model, lr=0.01)
    return Scenario(model, optimizer, kit.images(80, 1, 1, 6, 2), kit.train(model, optimizer, kit.cross_entropy))
