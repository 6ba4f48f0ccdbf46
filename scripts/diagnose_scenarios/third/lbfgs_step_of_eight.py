"""LBFGS without a line search takes eight times the step that its own model of the loss proposes."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(basis=nn.Linear(6, knobs.pick(8, 10)), out=nn.Linear(10, 1))
    model.out = nn.Linear(model.basis.out_features, 1)
    rate = 0.3 if repaired else knobs.pick(8.0, 10.0)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=rate, max_iter=4, history_size=5)

    def train_step(batch: Any) -> Tensor:
        x, y = batch

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = kit.squares(model(x), y)
            loss.backward()
            return loss

        return optimizer.step(closure)

    return Scenario(
        model, optimizer, kit.regression(1, 64, 6) * 25, train_step, Expected(("learning-rate",), (), (), None)
    )
