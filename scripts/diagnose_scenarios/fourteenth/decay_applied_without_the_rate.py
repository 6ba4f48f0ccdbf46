"""A hand-written optimizer decays weights by 3 without multiplying by the rate: they change sign and double."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


class PlainDecay(torch.optim.Optimizer):
    def __init__(self, parameters: Any, lr: float, decay: float) -> None:
        super().__init__(parameters, {"lr": lr, "decay": decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.mul_(1 - group["decay"]).add_(parameter.grad, alpha=-group["lr"])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(7, knobs.pick(14, 18), 1)
    optimizer = PlainDecay(model.parameters(), 0.05, 1e-4 if repaired else knobs.pick(3.0, 3.5))
    return Scenario(
        model,
        optimizer,
        kit.regression(90, 16, 7),
        kit.train(model, optimizer, kit.squares),
        Expected(("weight-decay",), (), (), None),
    )
