"""zero_grad is called on the head alone; the gradients of the trunk pile up."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(trunk=nn.Linear(8, width), act=nn.LeakyReLU(0.3), head=nn.Linear(width, 1))
    optimizer = kit.sgd(model, lr=0.05, momentum=0.9)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        (model if repaired else model.head).zero_grad()
        loss = kit.squares(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model, optimizer, kit.regression(300, 16, 8), train_step, Expected(("zero-grad",), (), (), None, "nonfinite")
    )
