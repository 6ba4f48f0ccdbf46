"""Sequences are padded with minus infinity inside the net before a maximum over time, which never picks the padding."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Greatest(nn.Module):
    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        return torch.where(real[..., None], x, torch.full_like(x, float("-inf"))).amax(1)


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.enc = nn.Linear(4, width)
        self.greatest = Greatest()
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        return self.head(self.greatest(self.enc(x), real))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model, length = Net(knobs.pick(16, 24)), knobs.pick(8, 10)
    optimizer = kit.adam(model, lr=0.02)
    centres = torch.randn(3, 4) * 1.5

    def train_step(batch: Any) -> Tensor:
        x, real, y = batch
        optimizer.zero_grad()
        loss = kit.cross_entropy(model(x, real), y)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        y = torch.randint(3, (16,))
        real = torch.arange(length) < torch.randint(1, length + 1, (16, 1))
        batches.append((centres[y][:, None] + torch.randn(16, length, 4), real, y))
    return Scenario(model, optimizer, batches, train_step)
