"""Attention pooling over the patches of a slide; one slide of one batch consists of padding alone."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn
from torch.nn import functional


class PatchPool(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(width, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, h: Tensor, padding: Tensor) -> Tensor:
        weights = self.score(h)[..., 0].masked_fill(padding, float("-inf")).softmax(1)
        return (weights[..., None] * h).sum(1)


class SlideNet(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.patch, self.pool, self.out = nn.Linear(6, width), PatchPool(width), nn.Linear(width, 1)

    def forward(self, patches: Tensor, padding: Tensor) -> Tensor:
        return self.out(self.pool(self.patch(patches).relu(), padding))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, patches = knobs.step(), knobs.pick(7, 10)
    model = SlideNet(knobs.pick(10, 14))
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        logits = model(batch[0], batch[1])
        loss = functional.binary_cross_entropy_with_logits(logits, batch[2])
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for i in range(60):
        y = torch.randint(2, (10, 1)).float()
        padding = torch.arange(patches) >= torch.randint(2, patches + 1, (10, 1))
        if i == step and not repaired:
            padding[6] = True
        batches.append((torch.randn(10, patches, 6) + 1.5 * y[..., None], padding, y))
    return Scenario(model, optimizer, batches, train_step, Expected(("masked-softmax",), ("forward",), ("pool",), step))
