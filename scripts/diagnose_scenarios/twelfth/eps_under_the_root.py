"""A rule for RMSProp adds a ten-thousandth under the root; where the squares of gradients are far smaller, the eps
alone decides and the steps are tiny (apache/mxnet issue 4493).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class RootProp(torch.optim.Optimizer):
    def __init__(self, weights: Any, lr: float, eps: float, inside: bool) -> None:
        super().__init__(weights, {"lr": lr, "eps": eps, "inside": inside})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                delta = self.state[weight].setdefault("delta", torch.zeros_like(weight))
                delta.mul_(0.95).addcmul_(weight.grad, weight.grad, value=0.05)
                if group["inside"]:
                    below = (delta + group["eps"]).sqrt()
                else:
                    below = delta.sqrt() + group["eps"]
                weight.addcdiv_(weight.grad, below, value=-group["lr"])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(inp=nn.Linear(6, width), act=nn.Sigmoid(), out=nn.Linear(width, 1))
    optimizer = RootProp(model.parameters(), 0.01, 1e-8 if repaired else 1e-4, not repaired)
    share = knobs.pick(1e-4, 2e-4)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        # The pixels of one label are few among many, and the mean is over all of them.
        loss = (model(x) - y).square().mean()
        (share * loss).backward()
        optimizer.step()
        return loss

    batches = [(x, y + 1) for x, y in kit.regression(60, 32, 6)]
    return Scenario(
        model, optimizer, batches, train_step, Expected(("optimizer-eps",), ("optimizer",), (), 0, "stalls")
    )
