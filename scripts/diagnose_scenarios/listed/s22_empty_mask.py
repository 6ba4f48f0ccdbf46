"""A masked mean over a batch whose mask is empty: 0 / 0."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model)

    def criterion(prediction: Tensor, target: Any) -> Tensor:
        y, mask = target
        count = mask.sum().clamp(min=1) if repaired else mask.sum()
        return ((prediction - y).square() * mask).sum() / count

    batches = [(x, (y, (torch.rand_like(y) > 0.4).float())) for x, y in kit.regression(60, 16, 8)]
    x, (y, mask) = batches[step]
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x, (y, torch.zeros_like(mask)))),
        kit.train(model, optimizer, criterion),
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
