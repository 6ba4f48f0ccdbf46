"""Corners of boxes divided by the picture's width as whole numbers: every size is 0, and an SSD's encoding takes its
logarithm (amdegroot/ssd.pytorch issue 73).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn

SIZE = 12
PRIOR = torch.tensor([0.5, 0.5, 0.4, 0.4])
VARIANCES = (0.1, 0.2)


class Detector(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.loc = nn.Linear(width * SIZE * SIZE // 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.loc(self.features(x).flatten(1))


def encode(corners: Tensor) -> Tensor:
    centre, size = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    g_cxcy = (centre - PRIOR[:2]) / (VARIANCES[0] * PRIOR[2:])
    g_wh = torch.log(size / PRIOR[2:]) / VARIANCES[1]
    return torch.cat([g_cxcy, g_wh], 1)


def picture(batch: int) -> tuple[Tensor, Tensor]:
    """One bright rectangle a picture, and its corners in pixels."""
    start = torch.randint(0, 6, (batch, 2))
    corners = torch.cat([start, start + torch.randint(3, 6, (batch, 2))], 1)
    x = 0.1 * torch.randn(batch, 1, SIZE, SIZE)
    for image, (left, top, right, bottom) in zip(x, corners.tolist(), strict=True):
        image[0, top:bottom, left:right] += 1
    return x, corners


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    net = Detector(knobs.pick(6, 8))
    optimizer = kit.adam(net, lr=0.003)

    def train_step(batch: Any) -> Tensor:
        images, corners = batch
        optimizer.zero_grad()
        loss = nn.functional.smooth_l1_loss(net(images), encode(corners))
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        x, corners = picture(16)
        whole = number == step and not repaired
        batches.append((x, (corners // SIZE if whole else corners / SIZE).float()))
    return Scenario(net, optimizer, batches, train_step, Expected(("bad-labels",), ("data", "loss"), (LOSS,), step))
