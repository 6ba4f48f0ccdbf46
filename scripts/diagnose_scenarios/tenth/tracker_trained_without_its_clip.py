"""A tracker is trained from its weights at random instead of a detector's, and without the clip of its recipe: box
losses send gradients of thousands through a deep trunk (SysCV/qdtrack issue 81).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(width, width, 3, padding=1)
        self.two = nn.Conv2d(width, width, 3, padding=1)
        for layer in (self.one, self.two):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return x + self.two(self.one(x.relu()).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, depth = 6, knobs.pick(10, 12)
    model = kit.named(
        stem=nn.Conv2d(3, width, 3, padding=1),
        trunk=nn.Sequential(*(Block(width) for _ in range(depth))),
        pool=nn.AdaptiveAvgPool2d(2),
        flat=nn.Flatten(),
        box=nn.Linear(4 * width, 4),
    )
    optimizer = kit.sgd(model, lr=0.01, momentum=0.9)
    look = torch.randn(4, 3, 1, 1)

    def train_step(batch: Any) -> Tensor:
        frame, box = batch
        optimizer.zero_grad()
        loss = (model(frame) - box).square().sum(1).mean()
        loss.backward()
        if repaired:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    batches = []
    for _ in range(40):
        box = torch.rand(8, 4)
        frame = (box[:, :, None, None, None] * look).sum(1) + 0.1 * torch.randn(8, 3, 6, 6)
        batches.append((frame, box))
    return Scenario(model, optimizer, batches, train_step, Expected(("exploding-gradients",), (), (), None))
