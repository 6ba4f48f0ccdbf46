"""A third of the targets is NaN on purpose, for `not measured`, and is left out by index before the loss."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(7, knobs.pick(16, 20), 3)
    optimizer = kit.adam(model, lr=0.02)

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        known = y.isfinite()
        return (p[known] - y[known]).square().mean()

    batches = kit.regression(60, 16, 7, 3)
    for _, y in batches:
        y[torch.rand_like(y) < 0.33] = math.nan
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, criterion))
