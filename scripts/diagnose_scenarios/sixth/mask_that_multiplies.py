"""Ocean cells have no target, which is not a number there; the loss multiplies by a mask of zeros, and the product is
still not a number (INRIA/geoarches pull request 88).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(6, 8)
    model = kit.named(conv1=nn.Conv2d(2, width, 3, padding=1), act=nn.GELU(), conv2=nn.Conv2d(width, 1, 3, padding=1))
    optimizer = kit.adam(model, lr=0.02)
    land = torch.ones(1, 1, 8, 8)
    land[..., 5:, 4:] = 0

    def criterion(prediction: Tensor, target: Tensor) -> Tensor:
        if repaired:
            target = torch.where(land > 0, target, 0.0)
        return ((prediction - target).square() * land).sum() / land.sum() / len(target)

    batches = []
    for number in range(50):
        x = torch.randn(6, 2, 8, 8)
        y = (x[:, :1] - x[:, 1:].roll(1, -1)) * land
        if number >= step:
            y = y.masked_fill(land == 0, math.nan)
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        # A label that is not a number is both a bad label and bad data.
        Expected(("bad-labels", "bad-data"), ("data", "loss"), (), step),
    )
