"""The box loss is the mean over the cells that hold an object; one batch has no object, and the mean of nothing is not
a number (WongKinYiu/yolov9 pull request 662).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Grid(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.detect = nn.Conv2d(width, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.detect(nn.functional.silu(self.conv(x)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Grid(knobs.pick(8, 12))
    optimizer = kit.sgd(model, lr=0.2, momentum=0.9)

    def train_step(batch: Any) -> dict[str, Tensor]:
        x, obj, boxes = batch
        optimizer.zero_grad()
        out = model(x)
        there = obj > 0
        distance = (out[:, 1:] - boxes).square().mean(1)
        losses = {"obj": nn.functional.binary_cross_entropy_with_logits(out[:, 0], obj)}
        if there.any() or not repaired:
            losses["box"] = distance[there].mean()
        sum(losses.values()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        return losses

    batches = []
    for number in range(60):
        x = torch.randn(4, 3, 6, 6)
        obj = (x[:, 0] > 1.0).float()
        if number == step:
            x[:, 0] = x[:, 0].clamp(max=0.9)
            obj = torch.zeros_like(obj)
        batches.append((x, obj, x[:, [1, 2, 1, 2]]))
    return Scenario(model, optimizer, batches, train_step, Expected(("division-by-zero",), ("loss",), (LOSS,), step))
