"""A box's right edge lies left of its left edge, and the regression target is the logarithm of its width."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn
from torch.nn import functional


class Detector(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(1, width, 3, stride=2)
        self.box = nn.Linear(width * 9, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.box(self.backbone(x).relu().flatten(1))


def encode(corners: Tensor, anchor: float) -> Tensor:
    size = corners[:, 2:] - corners[:, :2]
    centre = (corners[:, 2:] + corners[:, :2]) / 2
    return torch.cat([centre / anchor, torch.log(size / anchor)], 1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, anchor = knobs.step(), knobs.pick(3.0, 4.0)
    model = Detector(knobs.pick(4, 6))
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for i in range(60):
        low = torch.randint(0, 4, (8, 2)).float()
        corners = torch.cat([low, low + torch.randint(2, 5, (8, 2))], 1)
        pictures = torch.zeros(8, 1, 8, 8)
        for picture, (left, top, right, bottom) in zip(pictures, corners.int().tolist(), strict=True):
            picture[:, top:bottom, left:right] = 1
        if i == step and not repaired:
            corners[5] = corners[5, [2, 1, 0, 3]]
        batches.append((pictures, corners))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda p, c: functional.smooth_l1_loss(p, encode(c, anchor))),
        Expected(("bad-labels",), ("loss",), (LOSS,), step),
    )
