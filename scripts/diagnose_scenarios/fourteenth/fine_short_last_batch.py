"""An epoch ends with a batch of two samples under batch norm, several times: noisy, sound."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    every = knobs.pick(8, 10)
    model = kit.named(inp=nn.Linear(7, 16), bn=nn.BatchNorm1d(16), act=nn.ReLU(), head=nn.Linear(16, 3))
    optimizer = kit.sgd(model, lr=0.05, momentum=0.9)
    batches = [
        (x[:2], y[:2]) if i % every == every - 1 else (x, y) for i, (x, y) in enumerate(kit.classes(80, 24, 7, 3))
    ]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy))
