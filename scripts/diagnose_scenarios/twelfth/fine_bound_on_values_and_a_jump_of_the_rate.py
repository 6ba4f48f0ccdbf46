"""The rate becomes eight times as high in the middle and falls again; a bound on every single gradient keeps the net
together.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(8, 20), act=nn.ReLU(), out=nn.Linear(20, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
    middle = knobs.randint(20, 25)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 8.0 if middle <= step < middle + 10 else 1.0)

    def train_step(batch: Any) -> Tensor:
        loss = nn.functional.cross_entropy(model(batch[0]), batch[1])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 0.1)
        optimizer.step()
        schedule.step()
        return loss

    return Scenario(model, optimizer, kit.classes(60, 32, 8, 3), train_step, extra_state=(schedule,))
