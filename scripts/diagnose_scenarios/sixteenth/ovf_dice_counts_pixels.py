"""A dice loss squares and counts the pixels of whole masks in float16: more than 65504 of them are infinite."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Mask(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(1, width, 1)
        self.leave = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(torch.relu(self.enter(x)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    side, step = knobs.pick(280, 320), knobs.step()
    model = Mask(4)
    optimizer = kit.adam(model, lr=0.02)

    def dice(raw: Tensor, mask: Tensor) -> Tensor:
        p = raw.float().sigmoid()
        p, mask = (p, mask) if repaired else (p.half(), mask.half())
        inner, both = (p * mask).sum(), p.sum() + mask.sum()
        return 1 - 2 * inner / both

    batches = []
    for i in range(40):
        size = side if i == step else 40
        x = torch.randn(1, 1, size, size) + 1.0
        batches.append((x, (x > 0).float() if i != step else torch.ones_like(x)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, dice),
        Expected(("fp16-overflow",), ("loss",), (LOSS,), step),
    )
