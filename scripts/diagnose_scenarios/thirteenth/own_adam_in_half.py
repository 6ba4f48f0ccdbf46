"""A hand-written Adam keeps its moments in float16 with eps 1e-8: the second moment and eps are both 0."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


class SmallAdam(torch.optim.Optimizer):
    def __init__(self, parameters: Any, lr: float, eps: float) -> None:
        super().__init__(parameters, {"lr": lr, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["m"], state["v"] = torch.zeros_like(p), torch.zeros_like(p)
                state["m"].mul_(0.9).add_(0.1 * p.grad)
                state["v"].mul_(0.99).add_(0.01 * p.grad * p.grad)
                p.sub_(group["lr"] * state["m"] / (state["v"].sqrt() + group["eps"]))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(6, knobs.pick(12, 16), 1).half()
    optimizer = SmallAdam(model.parameters(), 0.01, 1e-3 if repaired else 1e-8)
    factor = knobs.pick(0.01, 0.02)
    return Scenario(
        model,
        optimizer,
        [(x.half(), y) for x, y in kit.regression(100, 32, 6)],
        kit.train(model, optimizer, lambda p, y: factor * kit.squares(p, y)),
        Expected(("optimizer-eps",), ("optimizer",)),
    )
