"""A hand-written optimizer divides by the root of the mean square without eps; a bias that never gets a gradient is
0 over 0.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


class RootMean(torch.optim.Optimizer):
    def __init__(self, parameters: Any, lr: float, eps: float) -> None:
        super().__init__(parameters, {"lr": lr, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                square = state.setdefault("square", torch.zeros_like(weight))
                square.mul_(0.9).addcmul_(weight.grad, weight.grad, value=0.1)
                weight.sub_(group["lr"] * weight.grad / (square.sqrt() + group["eps"]))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 18)
    model = kit.named(lift=nn.Linear(5, width), relu=nn.ReLU(), out=nn.Linear(width, 1))
    with torch.no_grad():
        model.lift.bias[3] = -30.0
    optimizer = RootMean(model.parameters(), lr=0.01, eps=1e-8 if repaired else 0.0)
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 24, 5),
        kit.train(model, optimizer, kit.squares),
        Expected(("optimizer-eps",), ("optimizer",), ("lift", "<optimizer>")),
    )
