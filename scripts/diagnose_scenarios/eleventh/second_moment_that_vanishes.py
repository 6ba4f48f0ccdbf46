"""A fused Adam keeps its moments in float16; the square of a small gradient is zero there, the eps as well, and the
first moment, which is not, is divided by their sum (NVIDIA/apex pull request 799).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


class HalfMoments(torch.optim.Optimizer):
    """Adam without a correction for the start; what it keeps is in float16."""

    def __init__(self, weights: Any, lr: float, eps: float) -> None:
        super().__init__(weights, {"lr": lr, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            eps = torch.tensor(group["eps"]).half()
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                m = state.setdefault("m", torch.zeros_like(weight, dtype=torch.float16))
                v = state.setdefault("v", torch.zeros_like(weight, dtype=torch.float16))
                grad = weight.grad.half()
                m.mul_(0.9).add_(grad, alpha=0.1)
                v.mul_(0.99).add_(grad * grad, alpha=0.01)
                weight.sub_(group["lr"] * (m / (v.sqrt() + eps)).float())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(patch=nn.Conv2d(1, width, 4, stride=4), act=nn.GELU(), flat=nn.Flatten(), head=nn.LazyLinear(3))
    model(torch.zeros(1, 1, 8, 8))
    with torch.no_grad():
        model.head.weight.mul_(0.02)
    optimizer = HalfMoments(model.parameters(), 0.01, knobs.pick(1e-3, 2e-3) if repaired else 1e-8)
    return Scenario(
        model,
        optimizer,
        kit.images(60, 16, 1, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("optimizer-eps", "underflow"), ("optimizer",), (), 0),
    )
