"""A hand-written decay multiplies the weights by one plus rate times decay: they grow by a factor each step."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    rate, decay = 0.05, 0.02 if repaired else knobs.pick(16.0, 20.0)
    model = kit.named(inp=nn.Linear(6, knobs.pick(12, 18)), act=nn.ReLU())
    model.add_module("head", nn.Linear(model.inp.out_features, 3))
    optimizer = kit.sgd(model, lr=rate)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(1 - rate * decay if repaired else 1 + rate * decay)
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.classes(120, 16, 6, 3),
        train_step,
        Expected(("weight-decay",), (), (), None),
    )
