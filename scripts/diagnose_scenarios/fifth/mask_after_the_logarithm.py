"""Depth maps hold 0 where nothing was measured; the loss takes their logarithm first and multiplies by the mask after
(zhengqili/MegaDepth issue 38).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def scale_invariant(log_d: Tensor, log_gt: Tensor, mask: Tensor) -> Tensor:
    count = mask.sum()
    difference = (log_d - log_gt) * mask
    return difference.square().sum() / count - 0.5 * (difference.sum() / count).square()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 10)
    hourglass = kit.named(
        conv1=nn.Conv2d(1, width, 3, padding=1),
        relu=nn.ReLU(),
        conv2=nn.Conv2d(width, width, 3, padding=1),
        relu2=nn.ReLU(),
        depth=nn.Conv2d(width, 1, 1),
    )
    optimizer = kit.adam(hourglass, lr=0.005)

    def train_step(batch: Any) -> Tensor:
        images, targets = batch
        gt, mask = targets["gt"], targets["mask"]
        log_gt = torch.where(mask > 0, gt, 1.0).log() if repaired else gt.log()
        optimizer.zero_grad()
        loss = scale_invariant(hourglass(images), log_gt, mask)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        x = torch.rand(4, 1, 8, 8)
        mask = (torch.rand(4, 1, 8, 8) < 0.9).float()
        batches.append((x, {"gt": (2 * x).exp() * mask, "mask": mask}))
    return Scenario(hourglass, optimizer, batches, train_step, Expected(("bad-labels",), ("loss",), (LOSS,)))
