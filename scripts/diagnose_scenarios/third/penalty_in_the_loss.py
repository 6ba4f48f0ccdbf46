"""The squared weights are added to the loss with a factor of 30, where 0.00003 was meant."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model, lr=0.1)
    factor = 3e-5 if repaired else knobs.pick(30.0, 40.0)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        penalty = sum(p.square().sum() for name, p in model.named_parameters() if name.endswith("weight"))
        loss = kit.squares(model(x), y) + factor * penalty
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(model, optimizer, kit.regression(80, 32, 8), train_step, Expected(("weight-decay",), (), (), None))
