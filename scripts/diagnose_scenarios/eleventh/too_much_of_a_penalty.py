"""A penalty on the squares of all weights is added to the loss of a small classifier; at a thousandth it learns the
shapes, at the largest strength tried nothing but the weights goes down (leonardoaraujosantos/DLMatFramework issue 1).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Spiral(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.W1 = nn.Parameter(0.5 * torch.randn(2, width))
        self.b1 = nn.Parameter(torch.zeros(width))
        self.W2 = nn.Parameter(0.3 * torch.randn(width, 3))
        self.b2 = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.W1 + self.b1).relu() @ self.W2 + self.b2


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Spiral(knobs.pick(32, 48))
    strength = 1e-4 if repaired else knobs.pick(0.5, 0.8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        data = nn.functional.cross_entropy(model(x), y)
        (data + strength / 2 * (model.W1.square().sum() + model.W2.square().sum())).backward()
        optimizer.step()
        return data

    batches = []
    for _ in range(80):
        y = torch.randint(3, (64,))
        radius = 0.3 + torch.rand(64)
        angle = 2.1 * y + 1.2 * radius + 0.15 * torch.randn(64)
        batches.append((torch.stack([radius * angle.cos(), radius * angle.sin()], 1) * 2, y))
    return Scenario(model, optimizer, batches, train_step, Expected(("weight-decay",), (), (), None, "stalls"))
