"""Most rows of a table are never looked up; their gradient is nought and the moments of the optimizer stay empty."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    rows = knobs.pick(200, 300)
    model = kit.named(item=nn.EmbeddingBag(rows, 12, mode="sum"), out=nn.Linear(12, 1))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.01)
    worth = torch.randn(rows)
    batches = []
    for _ in range(60):
        bag = torch.randint(20, (48, 3))
        batches.append((bag, worth[bag].sum(1, keepdim=True)))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares))
