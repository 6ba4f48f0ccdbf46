"""A grid detector predicts widths and heights as exponentials times an anchor; with its rate the positions run off and
the sizes become NaN, with a tenth of it it trains (marvis/pytorch-yolo2 issue 87).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Grid(nn.Module):
    def __init__(self, width: int, anchors: Tensor) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.region = nn.Conv2d(width, 5, 1)
        self.register_buffer("anchors", anchors)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = nn.functional.leaky_relu(self.conv1(x), 0.1)
        raw = self.region(nn.functional.leaky_relu(self.conv2(h), 0.1))
        return raw[:, :2], self.anchors[:, None, None] * raw[:, 2:4].exp(), raw[:, 4]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    anchors = torch.tensor([knobs.pick(3.0, 4.0), knobs.pick(4.0, 5.0)])
    model = Grid(12, anchors)
    optimizer = kit.sgd(model, lr=2e-4 if repaired else 0.05, momentum=0.9, weight_decay=5e-4)

    def train_step(batch: Any) -> Tensor:
        image, place, size, seen = batch
        optimizer.zero_grad()
        centre, extent, conf = model(image)
        wrong = (centre - place).square().sum(1) + (extent - size).square().sum(1)
        loss = (wrong * seen).sum() / 8 + nn.functional.binary_cross_entropy_with_logits(conf, seen)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        seen = (torch.rand(8, 6, 6) < 0.2).float()
        size = 2 + 4 * torch.rand(8, 1, 1, 1).expand(8, 2, 6, 6)
        image = (seen + 0.1 * torch.randn(8, 6, 6))[:, None]
        batches.append((image, torch.full((8, 2, 6, 6), 0.5), size, seen))
    return Scenario(model, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None))
