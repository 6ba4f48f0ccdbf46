"""Intersection over union of two boxes without area: 0 / 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def iou(predicted: Tensor, target: Tensor, eps: float) -> Tensor:
    least = torch.minimum(predicted, target)
    inner = least[:, 0] * least[:, 1]
    return inner / (predicted[:, 0] * predicted[:, 1] + target[:, 0] * target[:, 1] - inner + eps)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, eps = knobs.step(), 1e-7 if repaired else 0.0
    width = knobs.pick(16, 24)
    inp, head = nn.Linear(6, width, bias=False), nn.Linear(width, 2, bias=False)
    model = kit.named(inp=inp, act=nn.ReLU(), head=head, out=nn.ReLU())
    with torch.no_grad():
        model.head.weight.abs_()
    optimizer = kit.adam(model)
    batches = [(x, y.sigmoid() + 0.5) for x, y in kit.regression(50, 16, 6, 2)]
    x, y = (part.clone() for part in batches[step])
    x[3], y[3] = 0, 0
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x, y)),
        kit.train(model, optimizer, lambda p, t: (1 - iou(p, t, eps)).mean()),
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
