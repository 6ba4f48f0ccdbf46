"""Augmentation normalises the masks together with the pictures, so that background is minus one; the binary loss falls
below zero without an end (bigmb/Unet-Segmentation-Pytorch-Nest-of-Unets issue 18).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Nested(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.x00 = nn.Conv2d(1, width, 3, padding=1)
        self.x10 = nn.Conv2d(width, width, 3, padding=1)
        self.x01 = nn.Conv2d(2 * width, width, 3, padding=1)
        self.final = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = nn.functional.leaky_relu(self.x00(x), 0.2)
        b = self.x10(nn.functional.max_pool2d(a, 2)).tanh()
        up = nn.functional.interpolate(b, scale_factor=2)
        return self.final(nn.functional.leaky_relu(self.x01(torch.cat([a, up], 1)), 0.2))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Nested(knobs.pick(6, 8))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)

    def train_step(batch: Any) -> Tensor:
        picture, mask = batch
        optimizer.zero_grad()
        logits = model(picture)
        overlap = (logits.sigmoid() * mask).sum() / (logits.sigmoid().sum() + mask.abs().sum() + 1)
        loss = 0.5 * nn.functional.binary_cross_entropy_with_logits(logits, mask) + (1 - overlap) * 0.1
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(50):
        mask = torch.randint(2, (4, 1, 4, 4)).float().repeat_interleave(2, 2).repeat_interleave(2, 3)
        picture = 1.5 * mask + 0.5 * torch.randn(4, 1, 8, 8)
        batches.append((picture, mask if repaired else (mask - 0.5) / 0.5))
    return Scenario(model, optimizer, batches, train_step, Expected(("bad-labels",), ("data", "loss"), (LOSS,), None))
