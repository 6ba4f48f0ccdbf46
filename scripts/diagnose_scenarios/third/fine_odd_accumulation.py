"""Gradients of four batches are summed, of fewer at the end of each epoch; zeroed after the step, with a scaler."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer, scaler = kit.sgd(model, lr=0.05, momentum=0.9), kit.new_scaler()
    epoch, done = knobs.pick(22, 27), [0]

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        with kit.autocast(torch.float16):
            loss = kit.squares(model(x), y)
        scaler.scale(loss / 4).backward()
        done[0] += 1
        if done[0] % epoch % 4 == 0:
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
        return loss

    return Scenario(model, optimizer, kit.regression(5 * epoch, 16, 8), train_step, scaler=scaler)
