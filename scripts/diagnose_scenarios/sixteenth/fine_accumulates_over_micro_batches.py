"""Gradients of four micro-batches add up on purpose before each step; the list of them is one batch."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    parts = knobs.pick(4, 6)
    model = kit.mlp(6, knobs.pick(12, 18), 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    data = kit.regression(40 * parts, 8, 6, 2)

    def train_step(micro: Any) -> Tensor:
        total = torch.zeros(())
        for x, y in micro:
            loss = kit.squares(model(x), y) / len(micro)
            loss.backward()
            total += loss.detach()
        optimizer.step()
        optimizer.zero_grad()
        return total

    return Scenario(model, optimizer, [data[i * parts : (i + 1) * parts] for i in range(40)], train_step)
