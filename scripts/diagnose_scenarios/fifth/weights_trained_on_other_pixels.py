"""A backbone trained on pixels between -1 and 1 goes into a detector whose loader gives -128 to 127
(facebookresearch/Detectron issue 868).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Detector(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.bbox = nn.Linear(width * 16, 4)
        self.cls = nn.Linear(width * 16, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = nn.functional.leaky_relu(self.conv2(nn.functional.leaky_relu(self.conv1(x), 0.1)), 0.1).flatten(1)
        return self.cls(h), self.bbox(h)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    net = Detector(knobs.pick(6, 8))
    optimizer = kit.sgd(net, lr=0.03, momentum=0.9, weight_decay=1e-4)
    factor = 1.0 if repaired else 128.0

    def train_step(batch: Any) -> dict[str, Tensor]:
        image, y, box = batch
        scores, boxes = net(image)
        losses = {"loss_cls": kit.cross_entropy(scores, y), "loss_bbox": kit.squares(boxes, box)}
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        return losses

    where = torch.rand(3, 4)
    batches = []
    for x, y in kit.images(50, 16, 1, 8, 3):
        batches.append((factor * (x / 2).clamp(-1, 1), y, where[y]))
    return Scenario(net, optimizer, batches, train_step, Expected(("input-scale",), (), (), None))
