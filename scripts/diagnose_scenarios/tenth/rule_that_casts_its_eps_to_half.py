"""An optimizer written by hand casts its settings to the type of the weights: its eps is 0 in float16, the square of a
gradient of 0.0002 is too, and the quotient is infinite (FluxML/Optimisers.jl issue 167).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


class Rule(torch.optim.Optimizer):
    def __init__(self, params: Any, eta: float, epsilon: float) -> None:
        super().__init__(params, {"eta": eta, "beta": (0.9, 0.999), "epsilon": epsilon})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for x in group["params"]:
                state = self.state[x]
                if not state:
                    state["mt"], state["vt"] = torch.zeros_like(x), torch.zeros_like(x)
                    state["beta_t"] = list(group["beta"])
                eta, epsilon = (torch.tensor(group[key], dtype=x.dtype) for key in ("eta", "epsilon"))
                mt, vt, (b1, b2), beta_t = state["mt"], state["vt"], group["beta"], state["beta_t"]
                mt.mul_(b1).add_(x.grad, alpha=1 - b1)
                vt.mul_(b2).add_(x.grad * x.grad * (1 - b2))
                x -= eta * (mt / (1 - beta_t[0])) / ((vt / (1 - beta_t[1])).sqrt() + epsilon)
                state["beta_t"] = [beta_t[0] * b1, beta_t[1] * b2]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(6, knobs.pick(12, 16)), act=nn.Tanh(), out=nn.LazyLinear(1))
    model(torch.zeros(1, 6))
    model.half()
    optimizer = Rule(model.parameters(), 0.01, 1e-3 if repaired else 1e-8)
    factor = knobs.pick(0.05, 0.1)
    return Scenario(
        model,
        optimizer,
        [(x.half(), y) for x, y in kit.regression(80, 32, 6)],
        kit.train(model, optimizer, lambda p, y: factor * kit.squares(p, y)),
        Expected(("optimizer-eps",), ("optimizer",), (), 0),
    )
