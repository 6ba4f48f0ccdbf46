"""A trainer for segmentation clears the gradients after backward and before the step, and no weight ever moves; cleared
above backward it learns (sacmehta/EdgeNets issue 14).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Segmenter(nn.Module):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, width, 2, stride=2)
        self.norm = nn.GroupNorm(1, width)
        self.up = nn.ConvTranspose2d(width, classes, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(nn.functional.hardswish(self.norm(self.down(x))))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Segmenter(knobs.pick(8, 10), 2)
    optimizer = kit.sgd(model, lr=0.5, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 60)

    def train_step(batch: Any) -> Tensor:
        picture, label = batch
        loss = nn.functional.cross_entropy(model(picture), label)
        if repaired:
            optimizer.zero_grad()
        loss.backward()
        if not repaired:
            optimizer.zero_grad()
        optimizer.step()
        scheduler.step()
        return loss

    batches = []
    for picture, _ in kit.images(50, 8, 3, 8, 3):
        even = nn.functional.avg_pool2d(picture, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
        batches.append((even + 0.1 * picture, (even[:, 0] > even[:, 1]).long()))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("zero-grad",), ("optimizer", "backward"), (), None, "stalls"),
        extra_state=(scheduler,),
    )
