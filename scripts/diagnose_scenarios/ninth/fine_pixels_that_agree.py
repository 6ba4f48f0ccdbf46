"""A restorer's loss is the root of squared errors plus a small constant, and in a corner the picture is copied, so that
errors there are exactly 0.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width, eps = knobs.pick(8, 12), knobs.pick(1e-6, 1e-9)
    model = kit.named(conv=nn.Conv2d(1, width, 3, padding=1), act=nn.ReLU(), out=nn.Conv2d(width, 1, 3, padding=1))
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        damaged, clean, hurt = batch
        optimizer.zero_grad()
        found = damaged + hurt * model(damaged)
        loss = torch.sqrt((found - clean).square() + eps).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        clean = torch.rand(8, 1, 1, 1) + 0.05 * torch.randn(8, 1, 8, 8)
        hurt = torch.ones(8, 1, 8, 8)
        hurt[..., :3, :3] = 0
        batches.append((clean * (1 - 0.7 * hurt), clean, hurt))
    return Scenario(model, optimizer, batches, train_step)
