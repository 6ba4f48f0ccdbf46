"""Gradients of four batches are added up on purpose before each step."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    every = knobs.pick(3, 4)
    model = kit.mlp(6, knobs.pick(16, 24), 1)
    optimizer, done = kit.adam(model, lr=0.03), [0]

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        loss = kit.squares(model(x), y)
        (loss / every).backward()
        done[0] += 1
        if done[0] % every == 0:
            optimizer.step()
            optimizer.zero_grad()
        return loss

    return Scenario(model, optimizer, kit.regression(120, 16, 6), train_step)
