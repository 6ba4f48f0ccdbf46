"""unscale_ is called before clipping and again before logging the norm: torch raises on the second call."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 2)
    optimizer, scaler = kit.adam(model, lr=0.02), kit.new_scaler(2.0 ** knobs.pick(8, 10))
    norms: list[float] = []

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            loss = kit.squares(model(x), y)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if not repaired:
            scaler.unscale_(optimizer)
        norms.append(float(model.head.weight.grad.norm()))
        scaler.step(optimizer)
        scaler.update()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(60, 16, 8, 2),
        train_step,
        Expected(("scaler-misuse",), ("optimizer",), (), 0, "raises"),
        scaler=scaler,
    )
