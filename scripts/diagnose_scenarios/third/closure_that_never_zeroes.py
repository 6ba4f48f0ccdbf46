"""The closure that the optimizer calls computes loss and gradients, and forgets to zero the gradients first."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 20)
    model = kit.named(inp=nn.Linear(7, width), act=nn.ELU(), mid=nn.Linear(width, width), act2=nn.ELU())
    model.add_module("out", nn.Linear(width, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=knobs.pick(0.02, 0.03), momentum=0.9, nesterov=True)

    def train_step(batch: Any) -> Tensor:
        x, y = batch

        def closure() -> Tensor:
            if repaired:
                optimizer.zero_grad()
            loss = kit.squares(model(x), y)
            loss.backward()
            return loss

        return optimizer.step(closure)

    return Scenario(model, optimizer, kit.regression(250, 16, 7, 2), train_step, Expected(("zero-grad",), (), (), None))
