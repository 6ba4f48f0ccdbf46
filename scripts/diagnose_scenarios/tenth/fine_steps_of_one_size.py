"""A rule that takes the sign of its steps moves every weight by the same amount in each step, however small the
gradient; the loss falls in a sawtooth.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


class Signs(torch.optim.Optimizer):
    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    mean = self.state[p].setdefault("mean", torch.zeros_like(p))
                    p.sub_(mean.lerp(p.grad, 0.1).sign(), alpha=group["lr"])
                    mean.lerp_(p.grad, 0.01)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(24, 32), 1)
    optimizer = Signs(model.parameters(), lr=0.01)
    return Scenario(model, optimizer, kit.regression(80, 32, 8), kit.train(model, optimizer, kit.squares))
