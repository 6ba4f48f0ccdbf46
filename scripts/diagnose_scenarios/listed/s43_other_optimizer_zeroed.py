"""zero_grad is called on an optimizer of other parameters, as in a copied GAN loop."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model, other = kit.mlp(8, width, 1), nn.Linear(4, 4)
    optimizer = kit.sgd(model, lr=knobs.pick(0.02, 0.04), momentum=0.9, nesterov=True)
    wrong = kit.sgd(other)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        (optimizer if repaired else wrong).zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model, optimizer, kit.regression(200, 16, 8), train_step, Expected(("zero-grad",), (), (), None, "nonfinite")
    )
