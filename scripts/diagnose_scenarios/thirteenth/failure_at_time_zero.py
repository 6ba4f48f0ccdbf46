"""A Weibull survival loss takes log(time); a part that never ran was entered as failed at time 0."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, model = knobs.randint(2, 12), kit.mlp(5, knobs.pick(12, 16), 2)
    optimizer = kit.adam(model, lr=0.02)

    def criterion(raw: Tensor, record: Any) -> Tensor:
        time, failed = record
        scale, shape = raw[:, 0], nn.functional.softplus(raw[:, 1]) + 0.5
        z = shape * (time.log() - scale)
        return (z.exp() - failed * (z + shape.log())).mean() + 1

    batches = []
    for x, y in kit.regression(70, 24, 5):
        batches.append((x, ((y[:, 0] + 1.5).exp(), (torch.rand(24) > 0.3).float())))
    if not repaired:
        who = knobs.randint(0, 23)
        batches[step][1][0][who], batches[step][1][1][who] = 0.0, 1.0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("bad-labels",), ("loss",), (LOSS,), step),
    )
