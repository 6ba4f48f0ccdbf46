"""Isolated nodes in a graph, whose degree is taken as at least one."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Mean(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.lin = nn.Linear(2 * inputs, outputs)

    def forward(self, x: Tensor, linked: Tensor) -> Tensor:
        return self.lin(torch.cat([x, linked @ x / linked.sum(1, keepdim=True).clamp(min=1)], 1))


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.one = Mean(4, width)
        self.two = Mean(width, 3)

    def forward(self, x: Tensor, linked: Tensor) -> Tensor:
        return self.two(self.one(x, linked).relu(), linked)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Net(knobs.pick(12, 16))
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        x, linked, y = batch
        optimizer.zero_grad()
        loss = kit.cross_entropy(model(x, linked), y)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for x, y in kit.classes(50, 16, 4, 3):
        linked = ((y[:, None] == y) & (torch.rand(16, 16) < 0.5)).float()
        linked[:3] = 0
        batches.append((x, linked, y))
    return Scenario(model, optimizer, batches, train_step)
