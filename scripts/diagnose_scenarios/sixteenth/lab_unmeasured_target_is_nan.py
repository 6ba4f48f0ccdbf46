"""Two properties are regressed at once, and one molecule of one batch has no measured second property: NaN."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(14, 18)
    model = nn.Sequential(nn.Linear(7, width), nn.Mish(), nn.Linear(width, 2))
    optimizer = torch.optim.NAdam(model.parameters(), lr=0.01)
    batches = kit.regression(50, 12, 7, 2)
    if not repaired:
        batches[step][1][knobs.randint(0, 11), 1] = math.nan
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda p, y: nn.functional.huber_loss(p, y)),
        Expected(("bad-labels", "bad-data"), ("data", "loss"), (LOSS,), step),
    )
