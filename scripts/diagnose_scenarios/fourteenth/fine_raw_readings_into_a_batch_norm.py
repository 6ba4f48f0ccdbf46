"""Readings near a hundred thousand go in raw, and the first layer is a batch norm that takes them to unit size."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    level = knobs.pick(8e4, 1.2e5)
    model = kit.named(norm=nn.BatchNorm1d(6), hidden=nn.Linear(6, 16), act=nn.ReLU(), head=nn.Linear(16, 3))
    optimizer = kit.sgd(model, lr=0.1)
    batches = [(level + 3e4 * x, y) for x, y in kit.classes(60, 32, 6, 3)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy))
