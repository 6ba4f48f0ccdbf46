"""The user's optimizer keeps its sums in NumPy; at one step what it hands back is not a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


class Outside(torch.optim.Optimizer):
    def __init__(self, params: Any, lr: float, bad_call: int) -> None:
        super().__init__(params, {"lr": lr})
        self.calls, self.bad_call = 0, bad_call

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for number, p in enumerate(group["params"]):
                change = -group["lr"] * p.grad.numpy()
                if self.calls == self.bad_call and number == 2:
                    change = change.copy()
                    change.flat[1] = np.nan
                p.add_(torch.from_numpy(change))
        self.calls += 1


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = kit.named(inp=nn.Linear(8, width), act=nn.ReLU(), head=nn.Linear(width, 3))
    optimizer = Outside(model.parameters(), 0.1, -1 if repaired else step)
    return Scenario(
        model,
        optimizer,
        kit.classes(50, 16, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("unknown",), ("optimizer",), (), step),
    )
