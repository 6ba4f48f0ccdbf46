"""Boxes are kept as unsigned 16-bit numbers and moved by one pixel: a corner at 0 becomes 65535, the box has a
negative width, and its logarithm is the target (jwyang/faster-rcnn.pytorch issue 75, endernewton/tf-faster-rcnn
issue 284).
"""

from __future__ import annotations

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, side = knobs.step(), 16
    model = kit.named(
        conv=nn.Conv2d(2, 8, 3, padding=1),
        act=nn.ReLU(),
        pool=nn.AdaptiveMaxPool2d(4),
        flat=nn.Flatten(),
        box=nn.Linear(128, 4),
    )
    optimizer = kit.sgd(model, lr=0.02, momentum=0.5)

    def criterion(deltas: Tensor, boxes: Tensor) -> Tensor:
        anchor = side / 2
        sizes = boxes[:, 2:] - boxes[:, :2] + 1
        centres = boxes[:, :2] + 0.5 * sizes
        targets = torch.cat([(centres - anchor) / anchor, torch.log(sizes / anchor)], 1)
        return nn.functional.smooth_l1_loss(deltas, targets)

    batches = []
    for number in range(60):
        x1y1 = np.random.RandomState(seed * 100 + number).randint(1, 8, (8, 2))
        if number == step:
            x1y1[3, 0] = 0
        corners = np.concatenate([x1y1, x1y1 + 6], 1).astype(np.uint16)
        x = 0.1 * torch.randn(8, 2, side, side)
        for picture, (left, top, right, bottom) in zip(x, corners.tolist(), strict=True):
            picture[0, top:bottom, left:right] += 2
        moved = np.maximum(corners.astype(np.int64) - 1, 0) if repaired else corners - np.uint16(1)
        batches.append((x, torch.from_numpy(moved.astype(np.float32))))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("bad-labels",), ("loss", "data"), (LOSS,), step),
    )
