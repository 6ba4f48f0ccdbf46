"""Batch norm is given a momentum of 2: running variances turn negative, and every second step trains with them
(frozen norm).
"""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(10, 14)
    momentum = 0.1 if repaired else knobs.pick(2.0, 2.5)
    model = kit.named(
        inp=nn.Linear(6, width), bn=nn.BatchNorm1d(width, momentum=momentum), act=nn.ReLU(), head=nn.Linear(width, 3)
    )
    optimizer = kit.adam(model, lr=0.01)
    done = [0]

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        model.bn.train(done[0] % 2 == 0 or done[0] < 8)
        done[0] += 1
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.classes(60, 16, 6, 3),
        train_step,
        Expected(("batch-statistics",), ("forward",), ("bn",), None),
    )
