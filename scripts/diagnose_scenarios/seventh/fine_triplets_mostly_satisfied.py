"""Most triplets already keep their margin, so that many batches have a loss and a gradient of exactly zero."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(6, knobs.pick(24, 32), 4)
    optimizer = kit.adam(model, lr=0.01)
    centres = 2 * torch.randn(5, 6)

    def train_step(batch: Any) -> Tensor:
        anchor, positive, negative = (model(part) for part in batch)
        optimizer.zero_grad()
        loss = nn.functional.triplet_margin_loss(anchor, positive, negative, margin=1.0)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        y = torch.randint(5, (16,))
        other = (y + torch.randint(1, 5, (16,))) % 5
        batches.append(tuple(centres[labels] + 0.3 * torch.randn(16, 6) for labels in (y, y, other)))
    return Scenario(model, optimizer, batches, train_step)
