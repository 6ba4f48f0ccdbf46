"""Targets that were not measured are NaN in the batch, and the loss picks only the others before it computes."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor
from torch.nn import functional


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(7, knobs.pick(14, 20), 2)
    optimizer = kit.adam(model, lr=0.03)

    def measured(prediction: Tensor, y: Tensor) -> Tensor:
        known = ~y.isnan()
        return functional.mse_loss(prediction[known], y[known])

    batches = [(x, y.masked_fill(torch.rand_like(y) < 0.3, math.nan)) for x, y in kit.regression(70, 16, 7, 2)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, measured))
