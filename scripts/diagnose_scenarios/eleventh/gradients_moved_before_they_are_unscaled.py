"""A sharded optimizer divides gradients by the loss scale, but at that time they have been moved to a place of its own
and every weight shows none; the step then takes them as they are (hpcaitech/ColossalAI issue 1218).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Sharded:
    """Holds the gradients of its weights apart from them until the step."""

    def __init__(self, optimizer: torch.optim.Optimizer, scale: float, prepare_first: bool) -> None:
        self.optimizer, self.scale, self.prepare_first = optimizer, scale, prepare_first
        self.weights = [weight for group in optimizer.param_groups for weight in group["params"]]

    def backward(self, loss: Tensor) -> None:
        (loss * self.scale).backward()
        for weight in self.weights:
            weight.saved_grad, weight.grad = weight.grad, None

    def prepare(self) -> None:
        for weight in self.weights:
            weight.grad, weight.saved_grad = weight.saved_grad, None

    def unscale(self) -> None:
        for weight in self.weights:
            if weight.grad is not None:
                weight.grad.div_(self.scale)

    def step(self) -> None:
        if self.prepare_first:
            self.prepare()
            self.unscale()
        else:
            self.unscale()
            self.prepare()
        self.optimizer.step()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(inp=nn.Linear(8, width), act=nn.GELU(), mid=nn.Linear(width, width), act2=nn.GELU())
    model.add_module("out", nn.Linear(width, 1))
    inner = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    sharded = Sharded(inner, 2.0 ** knobs.pick(10, 12), repaired)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        inner.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        sharded.backward(loss)
        sharded.step()
        return loss

    return Scenario(model, inner, kit.regression(60, 32, 8), train_step, Expected(("scaler-misuse",), (), (), None))
