"""The matched boxes of a batch are counted and divided by; one batch has none (DETR clamps the count)."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.mlp(8, knobs.pick(16, 24), 4)
    optimizer = kit.adam(model)

    def criterion(p: Tensor, target: Any) -> Tensor:
        y, valid = target
        count = valid.sum()
        return (p[valid] - y[valid]).abs().sum() / (count.clamp(min=1) if repaired else count)

    batches = [(x, (y, torch.rand(16) > 0.3)) for x, y in kit.regression(80, 16, 8, 4)]
    batches[step][1][1].fill_(False)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
