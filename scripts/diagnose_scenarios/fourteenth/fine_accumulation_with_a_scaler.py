"""Gradients of three batches are added up under GradScaler, unscaled and clipped once, and only then cleared."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    optimizer, scaler = kit.adam(model, lr=0.02), kit.new_scaler(2.0**12)
    every, count = knobs.pick(3, 5), [0]

    def train_step(batch: Any) -> Tensor:
        with kit.autocast(torch.float16):
            loss = kit.cross_entropy(model(batch[0]), batch[1])
        scaler.scale(loss / every).backward()
        count[0] += 1
        if count[0] % every == 0:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
        return loss

    return Scenario(model, optimizer, kit.classes(150, 16, 8, 3), train_step, scaler=scaler)
