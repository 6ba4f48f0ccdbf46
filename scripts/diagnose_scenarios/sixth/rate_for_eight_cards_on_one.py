"""A detector is trained on one card with the rate that its recipe gives for many: both heads run away
(facebookresearch/Detectron issue 182).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Detector(nn.Module):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, stride=2)
        self.body = nn.Conv2d(width, width, 3)
        self.cls = nn.Linear(width, classes)
        self.box = nn.Linear(width, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(self.stem(x).relu()).relu().mean((2, 3))
        return self.cls(features), self.box(features)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    classes = 3
    model = Detector(knobs.pick(12, 16), classes)
    optimizer = kit.sgd(model, lr=0.02 if repaired else knobs.pick(3.0, 4.0), momentum=0.9, weight_decay=1e-4)

    def train_step(batch: Any) -> dict[str, Tensor]:
        x, (labels, boxes) = batch
        optimizer.zero_grad()
        logits, deltas = model(x)
        losses = {
            "loss_cls": nn.functional.cross_entropy(logits, labels),
            "loss_box": (deltas - boxes).square().sum(1).mean(),
        }
        sum(losses.values()).backward()
        optimizer.step()
        return losses

    where = torch.randn(classes, 4)
    batches = [(x, (y, where[y] + 0.1 * torch.randn(len(y), 4))) for x, y in kit.images(50, 8, 3, 11, classes)]
    return Scenario(model, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None))
