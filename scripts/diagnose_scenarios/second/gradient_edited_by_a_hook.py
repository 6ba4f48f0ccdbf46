"""A hook on a parameter's gradient, written in NumPy, returns NaN now and then."""

from __future__ import annotations

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, seen = knobs.step(), [0]
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    optimizer = kit.sgd(model, lr=0.1)

    def edit(grad: Tensor) -> Tensor:
        table = grad.numpy().copy()
        if seen[0] == step and not repaired:
            table[0] = np.nan
        seen[0] += 1
        return torch.from_numpy(table)

    model.head.bias.register_hook(edit)
    return Scenario(
        model,
        optimizer,
        kit.classes(50, 16, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("unknown",), ("backward",), (), step),
    )
