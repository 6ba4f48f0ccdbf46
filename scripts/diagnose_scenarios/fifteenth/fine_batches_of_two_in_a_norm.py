"""Every few batches hold two samples only; the norm over the batch works on both of them, and the running values take
it.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(8, 20), bn=nn.BatchNorm1d(20), act=nn.ReLU(), out=nn.Linear(20, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    every = knobs.pick(6, 8)
    batches = kit.classes(70, 32, 8, 3)
    for number in range(4, 60, every):
        batches = kit.at(batches, number, (batches[number][0][:2], batches[number][1][:2]))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy))
