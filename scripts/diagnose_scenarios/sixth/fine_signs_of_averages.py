"""An optimizer of the user's own that steps by signs, so that every weight moves by the same amount whatever its
gradient (lucidrains/lion-pytorch).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


class Lion(torch.optim.Optimizer):
    def __init__(self, params: Any, lr: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["average"] = torch.zeros_like(p)
                direction = state["average"].mul(0.9).add(p.grad, alpha=0.1).sign_()
                p.mul_(1 - group["lr"] * group["weight_decay"]).add_(direction, alpha=-group["lr"])
                state["average"].mul_(0.99).add_(p.grad, alpha=0.01)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    optimizer = Lion(model.parameters(), lr=0.01, weight_decay=0.1)
    return Scenario(model, optimizer, kit.classes(60, 32, 8, 3), kit.train(model, optimizer, kit.cross_entropy))
