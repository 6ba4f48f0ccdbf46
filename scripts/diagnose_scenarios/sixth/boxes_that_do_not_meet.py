"""The negative logarithm of the overlap of two boxes, which is 0 for a predicted box beside its object (open-
mmlab/mmdetection pull request 733).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def overlap(a: Tensor, b: Tensor) -> Tensor:
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    both = (high - low).clamp(min=0).prod(1)
    sizes = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1)
    return both / (sizes - both)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.named(inp=nn.Linear(6, knobs.pick(16, 24)), act=nn.ReLU(), head=nn.LazyLinear(4))
    model(torch.zeros(1, 6))
    optimizer = kit.adam(model, lr=0.01)

    def criterion(raw: Tensor, boxes: Tensor) -> Tensor:
        predicted = torch.cat([4 - 2 * raw[:, :2].sigmoid(), 4 + 2 * raw[:, 2:].sigmoid()], 1)
        iou = overlap(predicted, boxes)
        return -(iou.clamp(min=1e-6) if repaired else iou).log().mean()

    teacher = torch.randn(6, 4)
    batches = []
    for number in range(60):
        x = torch.randn(16, 6)
        reach = 0.3 + 1.7 * (x @ teacher).sigmoid()
        boxes = torch.cat([4 - reach[:, :2], 4 + reach[:, 2:]], 1)
        if number == step:
            boxes[4] = torch.tensor([6.5, 6.5, 7.5, 7.5])
        batches.append((x, boxes))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        # log(0) divides by 0 in its derivative: the loss is infinite and so is its slope.
        Expected(("division-by-zero", "singular-gradient"), ("loss",), (LOSS,), step),
    )
