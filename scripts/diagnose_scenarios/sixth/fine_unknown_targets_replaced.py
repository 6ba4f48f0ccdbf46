"""Targets that were never measured are NaN; they are replaced before the difference is taken, and masked after it
(INRIA/geoarches pull request 88, the repair).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(6, knobs.pick(16, 24), 3)
    optimizer = kit.adam(model, lr=0.02)

    def criterion(prediction: Tensor, target: Tensor) -> Tensor:
        known = ~target.isnan()
        error = prediction - torch.where(known, target, 0.0)
        return (error.square() * known).sum() / known.sum().clamp(min=1)

    batches = kit.regression(60, 32, 6, 3)
    for _, y in batches:
        y[torch.rand(32, 3) < 0.2] = math.nan
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, criterion))
