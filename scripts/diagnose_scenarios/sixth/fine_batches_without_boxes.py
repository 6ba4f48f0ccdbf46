"""A detector with focal classification and boxes at positive cells only, both divided by a count of at least 1: some
batches have no positive cell (open-mmlab/mmdetection pull request 2680).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Head(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, width, 3, padding=1)
        self.cls = nn.Conv2d(width, 1, 1)
        self.reg = nn.Conv2d(width, 4, 1)
        nn.init.constant_(self.cls.bias, -2.0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.conv(x).relu()
        return self.cls(h)[:, 0], self.reg(h)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Head(knobs.pick(8, 12))
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> dict[str, Tensor]:
        x, objects = batch
        optimizer.zero_grad()
        score, boxes = model(x)
        count = objects.sum().clamp(min=1)
        share = score.sigmoid()
        doubt = torch.where(objects > 0, 1 - share, share)
        focal = nn.functional.binary_cross_entropy_with_logits(score, objects, reduction="none") * doubt**2
        there = objects > 0
        wanted = x[:, [0, 1, 0, 1]].permute(0, 2, 3, 1)[there]
        distance = nn.functional.smooth_l1_loss(boxes.permute(0, 2, 3, 1)[there], wanted, reduction="sum")
        losses = {"cls": focal.sum() / count / 10, "bbox": distance / count}
        sum(losses.values()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 35.0)
        optimizer.step()
        return losses

    batches = []
    for number in range(60):
        x = torch.randn(4, 2, 6, 6)
        if number % 10 == 6:
            x[:, 0] = x[:, 0].clamp(max=1.0)
        batches.append((x, (x[:, 0] > 1.1).float()))
    return Scenario(model, optimizer, batches, train_step)
