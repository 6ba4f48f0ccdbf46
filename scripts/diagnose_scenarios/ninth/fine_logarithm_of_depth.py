"""Depth is learnt by a scale-invariant error of logarithms: pixels without a measurement are selected away before the
logarithm, and the root is taken of a variance that stays above 0.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width, most = knobs.pick(8, 12), knobs.pick(10.0, 80.0)
    model = kit.named(
        conv=nn.Conv2d(2, width, 3, padding=1), act=nn.ReLU(), out=nn.Conv2d(width, 1, 1), up=nn.Sigmoid()
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)

    def train_step(batch: Any) -> Tensor:
        image, depth = batch
        optimizer.zero_grad()
        found = (most * model(image)).squeeze(1)
        known = depth > 1e-3
        gap = torch.log(found[known] + 1e-7) - torch.log(depth[known])
        loss = 10 * torch.sqrt(gap.var() + 0.15 * gap.mean() ** 2)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(70):
        near = torch.rand(6, 1, 1).expand(6, 8, 8)
        depth = most * (0.05 + 0.9 * near) * (1 + 0.02 * torch.randn(6, 8, 8))
        depth = depth * (torch.rand(6, 8, 8) > 0.5)
        batches.append((torch.stack([near, 1 - near], 1) + 0.02 * torch.randn(6, 2, 8, 8), depth))
    return Scenario(model, optimizer, batches, train_step)
