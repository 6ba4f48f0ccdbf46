"""Sample weights that were normalised to 0 / 0 while the batch was made."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.adam(model, lr=0.02)

    def criterion(p: Tensor, target: Any) -> Tensor:
        y, weight = target
        return (weight * (p - y).square()[:, 0]).sum()

    batches = [(x, (y, torch.rand(16))) for x, y in kit.regression(60, 16, 8)]
    batches[step][1][1].zero_()
    least = 1e-6 if repaired else 0.0
    return Scenario(
        model,
        optimizer,
        [(x, (y, w / w.sum().clamp(min=least))) for x, (y, w) in batches],
        kit.train(model, optimizer, criterion),
        Expected(("bad-data", "bad-labels"), ("data", "loss"), (), step),
    )
