"""An update divides each gradient by the root of its mean square and adds nothing to the root; weights of units that
are never used have a gradient of nought (Oneflow-Inc/oneflow pull request 284).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


class RmsUpdate(torch.optim.Optimizer):
    def __init__(self, weights: Any, lr: float, decay: float, eps: float) -> None:
        super().__init__(weights, {"lr": lr, "decay": decay, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                mean = self.state[weight].setdefault("square", torch.zeros_like(weight))
                mean.mul_(group["decay"]).addcmul_(weight.grad, weight.grad, value=1 - group["decay"])
                weight.sub_(group["lr"] * weight.grad / (mean.sqrt() + group["eps"]))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    things = knobs.pick(20, 30)
    model = kit.named(item=nn.EmbeddingBag(things, 12), out=nn.Linear(12, 1))
    optimizer = RmsUpdate(model.parameters(), 0.01, 0.9, 1e-8 if repaired else 0.0)
    liked = 2 * torch.randn(things)
    batches = []
    for _ in range(50):
        bag = torch.randint(things - 2, (32, 4))
        batches.append((bag, liked[bag].mean(1, keepdim=True)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("optimizer-eps", "division-by-zero"), ("optimizer",), ("item",), 0),
    )
