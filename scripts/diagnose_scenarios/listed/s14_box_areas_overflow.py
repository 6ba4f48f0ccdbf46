"""IoU of boxes in pixels, computed in float16: an area of 600 x 600 is infinite, and infinity over infinity is NaN."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def iou_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """1 - IoU of boxes [n, 2] (width, height) with a common corner."""
    least = torch.minimum(predicted, target)
    inner = least[:, 0] * least[:, 1]
    union = predicted[:, 0] * predicted[:, 1] + target[:, 0] * target[:, 1] - inner
    return (1 - inner / union).mean()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    side = knobs.pick(416, 512, 640)
    model = kit.mlp(6, knobs.pick(16, 24), 2)
    with torch.no_grad():
        model.head.bias.fill_(knobs.pick(2, 3))
    optimizer = kit.adam(model, lr=0.02)

    def criterion(raw: Tensor, target: Tensor) -> Tensor:
        boxes = raw.sigmoid() * side
        return iou_loss(boxes.float(), target) if repaired else iou_loss(boxes, target.half())

    data = kit.regression(60, 16, 6, 2)
    batches = [(x, (y.sigmoid() * 0.3 + 0.6) * side) for x, y in data]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion, amp=torch.float16),
        Expected(("fp16-overflow",), ("loss",), (LOSS,)),
    )
