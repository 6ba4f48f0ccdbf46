"""The rate falls along a cosine and is set back to its full height several times; after each restart the loss jumps up
for a few steps.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(inp=nn.Linear(6, width), act=nn.ELU(), mid=nn.Linear(width, width), act2=nn.ELU())
    model.add_module("out", nn.Linear(width, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    rate = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, knobs.randint(12, 18))

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        rate.step()
        return loss

    return Scenario(model, optimizer, kit.classes(80, 32, 6, 3), train_step, extra_state=(rate,))
