"""The step of a rule takes the decay itself from every weight, as the factor of the weight was left out, and all
weights sink together (e-sensing/torchopt pull request 14).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


class Sinking(torch.optim.Optimizer):
    def __init__(self, weights: Any, lr: float, decay: float, proper: bool) -> None:
        super().__init__(weights, {"lr": lr, "decay": decay, "proper": proper})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state[weight]
                m = state.setdefault("m", torch.zeros_like(weight))
                v = state.setdefault("v", torch.zeros_like(weight))
                state["t"] = state.get("t", 0) + 1
                m.lerp_(weight.grad, 0.1)
                v.lerp_(weight.grad.square(), 0.01)
                update = (m / (1 - 0.9 ** state["t"])) / ((v / (1 - 0.99 ** state["t"])).sqrt() + 1e-8)
                weight.sub_(group["decay"] * weight if group["proper"] else group["decay"])
                weight.sub_(update, alpha=group["lr"])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 20)
    model = nn.Sequential(
        nn.Linear(6, width), nn.Softplus(), nn.Linear(width, width), nn.Softplus(), nn.Linear(width, 1)
    )
    optimizer = Sinking(model.parameters(), 0.01, 0.001 if repaired else knobs.pick(0.05, 0.06), repaired)
    return Scenario(
        model,
        optimizer,
        kit.regression(70, 32, 6),
        kit.train(model, optimizer, kit.squares),
        Expected(("weight-decay",), ("optimizer",), (), 0, "diverges"),
    )
