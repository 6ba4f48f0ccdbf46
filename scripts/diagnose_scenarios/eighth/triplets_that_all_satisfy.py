"""The loss is averaged over the triplets that still violate the margin; in one batch of well separated clouds there
are none (KevinMusgrave/pytorch-metric-learning issue 107).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.named(inp=nn.Linear(8, 32), act=nn.ReLU(), head=nn.Linear(32, knobs.pick(4, 6)))
    nn.init.eye_(model.head.weight)
    optimizer = kit.adam(model, lr=0.001)

    def train_step(batch: Any) -> Tensor:
        anchor, positive, negative = (model(part) for part in batch)
        optimizer.zero_grad()
        violation = ((anchor - positive).pow(2).sum(1) - (anchor - negative).pow(2).sum(1) + 0.2).relu()
        active = (violation > 0).sum()
        loss = violation.sum() / (active.clamp(min=1) if repaired else active)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        near = torch.randn(32, 8)
        far = near + 1.2 * torch.randn(32, 8) + (60.0 if number == step else 0.3)
        batches.append((near, near + (0.001 if number == step else 0.6) * torch.randn(32, 8), far))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("division-by-zero",), ("loss",), (LOSS,), step), learns=False
    )
