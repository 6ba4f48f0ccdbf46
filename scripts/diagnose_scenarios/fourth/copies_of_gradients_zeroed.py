"""The loop zeroes the gradients itself, but zeroes copies of them: the gradients themselves pile up."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(8, knobs.pick(16, 24)), act=nn.LeakyReLU(0.2), head=nn.LazyLinear(1))
    model(torch.zeros(1, 8))
    optimizer = kit.sgd(model, lr=knobs.pick(0.08, 0.1), momentum=0.9, nesterov=True)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        for weight in model.parameters():
            if weight.grad is not None:
                (weight.grad if repaired else weight.grad.clone()).zero_()
        loss = kit.squares(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model, optimizer, kit.regression(200, 16, 8), train_step, Expected(("zero-grad",), (), (), None, "nonfinite")
    )
