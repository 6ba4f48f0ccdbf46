"""Distances to masked neighbours are set to infinity before the minimum; only finite ones are ever chosen."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    count = knobs.pick(5, 7)
    model = kit.named(inp=nn.Linear(3, 16), act=nn.Tanh(), out=nn.Linear(16, 2))
    optimizer = kit.adam(model, lr=0.03)
    anchors = torch.randn(count, 2) * 2

    def criterion(points: Tensor, hidden: Tensor) -> Tensor:
        gaps = (points[:, None] - anchors).square().sum(-1)
        return gaps.masked_fill(hidden, math.inf).amin(1).mean()

    batches = []
    for _ in range(70):
        hidden = torch.rand(16, count) > 0.5
        hidden[:, 1] = False
        batches.append((torch.randn(16, 3), hidden))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, criterion))
