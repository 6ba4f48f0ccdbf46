"""A weight computed outside torch, by NumPy on the predictions, is NaN for one batch."""

from __future__ import annotations

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, seen = knobs.step(), [0]
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.adam(model, lr=0.02)

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        table = np.abs(p.detach().numpy() - y.numpy())
        if seen[0] == step and not repaired:
            table[4] = np.nan
        seen[0] += 1
        return (torch.from_numpy(1 + 0 * table) * (p - y).square()).mean()

    return Scenario(
        model,
        optimizer,
        kit.regression(60, 16, 8),
        kit.train(model, optimizer, criterion),
        Expected(("unknown",), ("loss",), (LOSS,), step),
    )
