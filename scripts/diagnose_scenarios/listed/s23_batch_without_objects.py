"""A detection loss divided by the sum of target scores, and a batch with no object in it."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, cells = knobs.step(), knobs.pick(6, 9, 12)
    model = kit.mlp(8, knobs.pick(16, 24), cells)
    optimizer = kit.adam(model, lr=0.03)

    def criterion(logits: Tensor, scores: Tensor) -> Tensor:
        total = scores.sum().clamp(min=1) if repaired else scores.sum()
        return nn.functional.binary_cross_entropy_with_logits(logits, scores, reduction="sum") / total

    batches = [(x, (y > 0.5).float()) for x, y in kit.regression(100, 32, 8, cells)]
    x, y = batches[step]
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x, torch.zeros_like(y))),
        kit.train(model, optimizer, criterion),
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
