"""A table of boxes is filled up with zeros, and the aspect ratio of such a row is 0 / 0, which no mask removes
afterwards (as in pythonlessons/TensorFlow-2.x-YOLOv3 issue 144).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def aspect_loss(p: Tensor, box: Tensor, eps: float) -> Tensor:
    real = (box.sum(1) > 0).float()
    overlap = (p.sigmoid() - box).abs().sum(1)
    ratio = (box[:, 2] / (box[:, 3] + eps)).atan() - (p[:, 2] - p[:, 3]).exp().atan()
    return ((overlap + 4 / math.pi**2 * ratio.square()) * real).sum() / real.sum()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, eps = knobs.step(), 1e-6 if repaired else 0.0
    model = kit.mlp(8, knobs.pick(24, 32), 4)
    optimizer = kit.adam(model, lr=0.02)
    teacher = torch.randn(4, 8)
    batches = []
    for number in range(70):
        box = 0.2 + 0.6 * torch.rand(16, 4)
        x = (box - 0.5) @ teacher * 2
        if number >= step:
            box[-knobs.randint(1, 4) :] = 0.0
        batches.append((x, box))
    # padding is a matter of the loss; seen from the data, these are labels without a size
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda p, y: aspect_loss(p, y, eps)),
        Expected(("division-by-zero", "bad-labels"), ("loss",), (LOSS,), step),
    )
