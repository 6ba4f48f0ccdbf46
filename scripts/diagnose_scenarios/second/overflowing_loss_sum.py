"""Squared errors summed over a batch in float16 instead of averaged."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    pixels = knobs.pick(64, 96)
    model = kit.mlp(8, 24, pixels)
    optimizer = kit.adam(model)

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        return kit.squares(p, y) if repaired else (p - y.half()).square().sum()

    batches = [(x, 8 * y) for x, y in kit.regression(100, 64, 8, pixels)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion, amp=torch.float16),
        Expected(("fp16-overflow",), ("loss",), (LOSS,)),
    )
