"""Gradients of four batches are added up on purpose before a step."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(24, 32), 3)
    optimizer = kit.sgd(model, lr=0.3, momentum=0.5)
    count = [0]

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        loss = kit.cross_entropy(model(x), y)
        (loss / 4).backward()
        count[0] += 1
        if count[0] % 4 == 0:
            optimizer.step()
            optimizer.zero_grad()
        return loss

    return Scenario(model, optimizer, kit.classes(80, 16, 8, 3), train_step)
