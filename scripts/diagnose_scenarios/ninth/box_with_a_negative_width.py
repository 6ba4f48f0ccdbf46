"""An annotated box has its right edge left of its left one; its regression target is the logarithm of a negative ratio
(pytorch/vision issue 997).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def encoded(boxes: Tensor, anchors: Tensor) -> Tensor:
    size, base = boxes[:, 2:] - boxes[:, :2], anchors[:, 2:] - anchors[:, :2]
    middle, centre = boxes[:, :2] + size / 2, anchors[:, :2] + base / 2
    return torch.cat([(middle - centre) / base, torch.log(size / base)], 1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = nn.ModuleDict({"roi": nn.Linear(10, 24), "box": nn.Linear(24, 4), "score": nn.Linear(24, 2)})
    optimizer = kit.sgd(model, lr=0.05, momentum=0.9, weight_decay=5e-4)

    def train_step(batch: Any) -> Tensor:
        features, anchors, target = batch
        optimizer.zero_grad()
        h = model["roi"](features).relu()
        losses = {
            "classifier": nn.functional.cross_entropy(model["score"](h), target["labels"]),
            "box_reg": nn.functional.smooth_l1_loss(model["box"](h), encoded(target["boxes"], anchors)),
        }
        loss = sum(losses.values())
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        features = torch.randn(24, 10)
        corner, size = 20 * torch.rand(24, 2), 8 * (0.5 * features[:, :2].tanh()).exp()
        boxes = torch.cat([corner, corner + size], 1)
        anchors = torch.cat([corner, corner + 8], 1)
        if number == step and not repaired:
            wrong = knobs.randint(0, 23)
            boxes[wrong] = boxes[wrong][[2, 1, 0, 3]]
        batches.append((features, anchors, {"boxes": boxes, "labels": (features[:, 2] > 0).long()}))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("bad-labels",), ("loss", "data"), (LOSS,), step),
    )
