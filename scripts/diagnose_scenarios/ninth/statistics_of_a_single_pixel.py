"""A patch discriminator judges the mean and deviation of features at several scales; pictures of a quarter of the size
leave one pixel at the coarsest, whose deviation is 0 with an infinite slope (NetEase-GameAI/SPatchGAN issue 1).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Statistics(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3))
        return torch.cat([mean, torch.sqrt((x - mean[..., None, None]).square().mean((2, 3)))], 1)


class Scales(nn.Module):
    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.downs = nn.ModuleList(nn.Conv2d(width, width, 2, stride=2) for _ in range(count))
        self.stats = nn.ModuleList(Statistics() for _ in range(count))
        self.heads = nn.ModuleList(nn.Linear(2 * width, 1) for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        h = nn.functional.leaky_relu(self.stem(x), 0.2)
        judged = []
        for down, stats, head in zip(self.downs, self.stats, self.heads, strict=True):
            h = nn.functional.leaky_relu(down(h), 0.2)
            judged.append(head(stats(h)))
        return torch.stack(judged).mean(0)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    size = 16 if repaired else 8
    model = Scales(knobs.pick(6, 8), 3)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003, betas=(0.5, 0.999))

    def train_step(batch: Any) -> Tensor:
        selfie, drawing = batch
        optimizer.zero_grad()
        loss = (model(drawing) - 1).square().mean() + model(selfie).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(50):
        selfie = torch.randn(8, 1, size, size)
        drawing = torch.randn(8, 1, size // 4, size // 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
        batches.append((selfie, 1.5 * drawing))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("singular-gradient", "batch-statistics"), ("backward",), ("stats.2",)),
    )
