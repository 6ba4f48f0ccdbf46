"""Object key-point similarity divides by the area of the object; one annotated object has none."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.mlp(8, knobs.pick(16, 24), 2)
    optimizer = kit.adam(model, lr=0.02)

    def criterion(points: Tensor, target: Any) -> Tensor:
        wanted, area = target
        return (1 - torch.exp(-(points - wanted).square().sum(1) / (2 * area))).mean()

    batches = [(x, (y, 1 + 2 * torch.rand(16))) for x, y in kit.regression(80, 16, 8, 2)]
    batches[step][0][3] = 0
    with torch.no_grad():
        for part in (model.inp, model.head):
            part.bias.zero_().requires_grad_(False)
    batches[step][1][0][3] = 0
    if not repaired:
        batches[step][1][1][3] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("bad-labels", "division-by-zero"), ("loss",), (LOSS,), step),
    )
