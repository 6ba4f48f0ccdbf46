"""The user's own optimizer steps by the sign of the averaged gradient, with a rate of 3 as if gradients still had a
size.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


class Signs(torch.optim.Optimizer):
    """Every weight moves by the rate, in the direction of its averaged gradient."""

    def __init__(self, parameters: Any, lr: float, beta: float = 0.9) -> None:
        super().__init__(parameters, {"lr": lr, "beta": beta})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                average = self.state[weight].setdefault("average", torch.zeros_like(weight))
                average.lerp_(weight.grad, 1 - group["beta"])
                weight.sub_(average.sign(), alpha=group["lr"])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(8, knobs.pick(16, 24)), act=nn.GELU(), head=nn.LazyLinear(1))
    model(torch.zeros(1, 8))
    optimizer = Signs(model.parameters(), lr=0.005 if repaired else knobs.pick(3.0, 4.0))
    return Scenario(
        model,
        optimizer,
        kit.regression(70, 32, 8),
        kit.train(model, optimizer, kit.squares),
        Expected(("learning-rate",), (), (), None, "diverges"),
    )
