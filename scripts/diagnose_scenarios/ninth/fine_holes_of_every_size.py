"""Partial convolutions fill holes in float16; where a window sees no valid pixel the count is taken as one and the
result set to 0.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class PartialConv(nn.Conv2d):
    def forward(self, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            count = nn.functional.conv2d(valid, torch.ones(1, 1, 3, 3), padding=1)
        seen = (count > 0).float()
        return super().forward(x * valid) * (9 / count.clamp_min(1)) * seen, seen


class Filler(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.part1 = PartialConv(1, width, 3, padding=1)
        self.part2 = PartialConv(width, width, 3, padding=1)
        self.out = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        h, seen = self.part1(x, valid)
        h, _ = self.part2(h.relu(), seen)
        return self.out(h.relu())


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Filler(knobs.pick(8, 10))
    optimizer = kit.adam(model, lr=0.01)
    scaler = kit.new_scaler(2.0**12)

    def train_step(batch: Any) -> Tensor:
        picture, valid = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            found = model(picture, valid)
        loss = nn.functional.mse_loss(found.float(), picture)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    batches = []
    for _ in range(50):
        picture = torch.randn(6, 1, 1, 1) + 0.05 * torch.randn(6, 1, 9, 9)
        valid = torch.ones(6, 1, 9, 9)
        for each in valid:
            size = knobs.randint(1, 6)
            each[:, 1 : 1 + size, 2 : 2 + size] = 0
        valid[0] = 1
        batches.append((picture, valid))
    return Scenario(model, optimizer, batches, train_step, scaler=scaler)
