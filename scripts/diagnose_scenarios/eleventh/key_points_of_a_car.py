"""Heat maps of the key points of cars go through a sigmoid, and the focal loss takes the logarithm of one minus it; for
a very clear point the sigmoid rounds to one (maudzung/RTM3D issue 13).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def focal(heat: Tensor, truth: Tensor) -> Tensor:
    peak = (truth == 1).float()
    positive = torch.log(heat) * (1 - heat).square() * peak
    negative = torch.log(1 - heat) * heat.square() * (1 - truth) ** 4 * (1 - peak)
    return -(positive + negative).sum() / peak.sum()


class KeyPoints(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3, padding=1)
        self.hm_mc = nn.Conv2d(width, 1, 1)
        nn.init.constant_(self.hm_mc.bias, -2.19)

    def forward(self, x: Tensor) -> Tensor:
        return self.hm_mc(self.conv(x).relu()).sigmoid()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(20, 34)
    model = KeyPoints(knobs.pick(8, 12))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)

    def train_step(batch: Any) -> Tensor:
        picture, truth = batch
        heat = model(picture)
        if repaired:
            heat = heat.clamp(1e-4, 1 - 1e-4)
        loss = focal(heat, truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(50):
        truth = torch.zeros(4, 1, 8, 8)
        for one in range(4):
            row, column = knobs.randint(1, 6), knobs.randint(1, 6)
            truth[one, 0, row - 1 : row + 2, column - 1 : column + 2] = 0.5
            truth[one, 0, row, column] = 1.0
        picture = 3 * truth + 0.1 * torch.randn(4, 1, 8, 8)
        if number == step:
            picture[0, 0, 0, :] = knobs.pick(200.0, 300.0)
        batches.append((picture, truth))
    return Scenario(model, optimizer, batches, train_step, Expected(("underflow",), ("loss",), (LOSS,), step))
