"""Satellite tiles at the edge of a swath have no data in some pixels, stored as NaN; the scaling to reflectance leaves
them in, and one tile spoils the batch (fieldsoftheworld/ftw-baselines issue 261).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Fields(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.enc = nn.Sequential(nn.Conv2d(4, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())
        self.dec = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.dec(self.enc(x))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 12)
    model = Fields(width)
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 60)

    def train_step(batch: Any) -> Tensor:
        tile, mask = batch["image"] / 3000, batch["mask"]
        if repaired:
            tile = torch.nan_to_num(tile, nan=0.0)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(tile), mask, weight=torch.tensor([0.5, 1.0, 2.0]))
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss

    bands = 500 + 2500 * torch.rand(3, 4)
    batches = []
    for number in range(60):
        mask = torch.randint(3, (4, 8, 8))
        image = bands[mask].permute(0, 3, 1, 2) + 150 * torch.randn(4, 4, 8, 8)
        if number == step:
            image[2, :, :, 5:] = math.nan
        batches.append({"image": image, "mask": mask})
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("bad-data",), ("data",), (), step),
        extra_state=(schedule,),
    )
