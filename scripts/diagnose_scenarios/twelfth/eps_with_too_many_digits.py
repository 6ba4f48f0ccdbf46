"""The eps of two rules has more digits than the type that holds it and becomes zero; a weight without a gradient is
then divided by nothing (OpenMined/PySyft pull request 740).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


class FixedPointProp(torch.optim.Optimizer):
    """Keeps its numbers as multiples of `grain`."""

    def __init__(self, weights: Any, lr: float, eps: float, grain: float) -> None:
        super().__init__(weights, {"lr": lr, "eps": round(eps / grain) * grain})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                square = self.state[weight].setdefault("square", torch.zeros_like(weight))
                square.mul_(0.9).addcmul_(weight.grad, weight.grad, value=0.1)
                weight.sub_(group["lr"] * weight.grad / (square.sqrt() + group["eps"]))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs = knobs.pick(7, 9)
    model = kit.named(inp=nn.Linear(inputs, 16), act=nn.ReLU(), out=nn.Linear(16, 1))
    optimizer = FixedPointProp(model.parameters(), 0.005, 1e-6 if repaired else 1e-8, 1e-7)
    batches = kit.regression(50, 32, inputs)
    off = knobs.randint(0, inputs - 1)
    for x, _ in batches:
        x[:, off] = 0.0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("optimizer-eps",), ("optimizer",), ("inp",), 0),
    )
