"""Missing measurements are left out by nanmean: the loss is a number, and its gradient is not, since 0 times NaN is
NaN (BLAST-AI-ML/synapse pull request 237).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.mlp(6, knobs.pick(16, 24), 3)
    optimizer = kit.adam(model, lr=0.02)

    def criterion(prediction: Tensor, target: Tensor) -> Tensor:
        if repaired:
            known = ~target.isnan()
            return (prediction[known] - target[known]).square().mean()
        return (prediction - target).square().nanmean()

    batches = kit.regression(60, 32, 6, 3)
    for number, (_, y) in enumerate(batches):
        if number >= step:
            y[torch.rand(32, 3) < 0.1] = math.nan
            y[0, 0] = math.nan
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        # The label is not a number; what it breaks is the derivative of a loss that is one.
        Expected(("bad-labels", "bad-data", "singular-gradient"), ("data", "loss", "backward"), (), step),
    )
