"""A layer computed outside torch (NumPy) returns NaN for one batch: nothing can be replayed."""

from __future__ import annotations

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Foreign(nn.Module):
    def __init__(self, bad_call: int) -> None:
        super().__init__()
        self.calls, self.bad_call = 0, bad_call

    def forward(self, x: Tensor) -> Tensor:
        table = np.tanh(x.detach().numpy())
        if self.calls == self.bad_call:
            table[0, 0] = np.nan
        self.calls += 1
        return x + torch.from_numpy(table)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = kit.named(inp=nn.Linear(8, width), foreign=Foreign(-1 if repaired else step), head=nn.Linear(width, 3))
    optimizer = kit.sgd(model, lr=0.1)
    return Scenario(
        model,
        optimizer,
        kit.classes(40, 16, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("unknown",), ("forward",), ("foreign",), step),
    )
