"""A rule subtracts the penalty on the weights from a step that is itself taken away later, so that a decay above zero
lets the weights explode (andersbll/deeppy issue 17).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


class Momentum(torch.optim.Optimizer):
    def __init__(self, weights: Any, lr: float, decay: float) -> None:
        super().__init__(weights, {"lr": lr, "decay": decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                step = self.state[weight].setdefault("step", torch.zeros_like(weight))
                step.mul_(0.9).add_(weight.grad).add_(weight, alpha=group["decay"])
                weight.sub_(step, alpha=group["lr"])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 20)
    model = kit.named(fc1=nn.Linear(8, width), act=nn.ReLU(), fc2=nn.Linear(width, 1))
    decay = knobs.pick(1.0, 1.5)
    optimizer = Momentum(model.parameters(), 0.02, 0.01 if repaired else -decay)
    return Scenario(
        model,
        optimizer,
        kit.regression(70, 32, 8),
        kit.train(model, optimizer, kit.squares),
        Expected(("weight-decay",), ("optimizer",), (), None),
    )
