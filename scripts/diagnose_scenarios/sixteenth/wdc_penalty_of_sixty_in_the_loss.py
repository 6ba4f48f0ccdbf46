"""The sum of squared weights is added to the loss with a factor of 60: each step multiplies the weights by minus 5."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    factor = 1e-4 if repaired else knobs.pick(60.0, 70.0)
    model = kit.mlp(8, knobs.pick(14, 20), 1)
    optimizer = kit.sgd(model, lr=0.05)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        penalty = sum(weight.square().sum() for weight in model.parameters())
        (loss + factor * penalty).backward()
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(80, 16, 8),
        train_step,
        Expected(("weight-decay",), (), (), None),
    )
