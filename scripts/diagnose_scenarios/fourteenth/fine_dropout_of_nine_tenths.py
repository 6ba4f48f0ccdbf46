"""Nine of ten units are dropped at each step: the loss jumps from batch to batch and falls all the same."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(96, 128)
    model = kit.named(inp=nn.Linear(8, width), act=nn.ReLU(), drop=nn.Dropout(0.9), head=nn.Linear(width, 3))
    optimizer = kit.adam(model, lr=0.01)
    return Scenario(model, optimizer, kit.classes(80, 32, 8, 3), kit.train(model, optimizer, kit.cross_entropy))
