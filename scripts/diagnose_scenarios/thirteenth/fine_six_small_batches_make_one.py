"""Gradients of six small batches are added before a step, under a scaler, with one unscale and clip for all of them."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    optimizer, scaler = kit.adam(model, lr=0.03), kit.new_scaler(2.0**12)
    every, count = knobs.pick(4, 6), [0]

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        with kit.autocast(torch.float16):
            loss = kit.cross_entropy(model(x), y)
        scaler.scale(loss / every).backward()
        count[0] += 1
        if count[0] % every == 0:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
        return loss

    return Scenario(model, optimizer, kit.classes(150, 8, 8, 3), train_step, scaler=scaler)
