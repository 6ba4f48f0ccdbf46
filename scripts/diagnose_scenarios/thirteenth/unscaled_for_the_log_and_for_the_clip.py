"""unscale_ is called once to log the gradient norm and once more to clip it: the second call raises."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    every = knobs.randint(3, 7)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    optimizer, scaler, count = kit.adam(model), kit.new_scaler(2.0**10), [0]

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            loss = kit.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        count[0] += 1
        logs = count[0] % every == 0
        if logs:
            scaler.unscale_(optimizer)
        if not (logs and repaired):
            scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.classes(50, 16, 8, 3),
        train_step,
        Expected(("scaler-misuse",), ("optimizer",), (), every - 1, "raises"),
        scaler=scaler,
    )
