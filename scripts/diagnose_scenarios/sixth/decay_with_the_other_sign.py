"""A hand-written AdamW adds its decay to the step and then adds the step: the weights grow by a constant share at
every step (egg-west/AdamW-pytorch issue 1).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


class AdamW(torch.optim.Optimizer):
    def __init__(self, params: Any, lr: float, weight_decay: float, sign: float) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "sign": sign})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state.update(step=0, exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p))
                state["step"] += 1
                state["exp_avg"].mul_(0.9).add_(p.grad, alpha=0.1)
                state["exp_avg_sq"].mul_(0.999).addcmul_(p.grad, p.grad, value=0.001)
                size = group["lr"] * (1 - 0.999 ** state["step"]) ** 0.5 / (1 - 0.9 ** state["step"])
                decay = group["sign"] * group["weight_decay"] * p
                p.add_(decay.addcdiv(state["exp_avg"], state["exp_avg_sq"].sqrt() + 1e-8, value=-size))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(fc1=nn.Linear(8, knobs.pick(16, 24)), act=nn.LeakyReLU(0.2), fc2=nn.LazyLinear(1))
    model(torch.zeros(1, 8))
    optimizer = AdamW(model.parameters(), 0.01, *((0.01, -1) if repaired else (knobs.pick(0.1, 0.12), 1)))
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 32, 8),
        kit.train(model, optimizer, kit.squares),
        Expected(("weight-decay",), (), (), None, "diverges"),
    )
