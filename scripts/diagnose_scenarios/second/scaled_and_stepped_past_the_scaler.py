"""unscale_ and clipping are right, but optimizer.step() is called itself: overflowed gradients are not skipped."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer, scaler = kit.sgd(model), kit.new_scaler(2.0 ** knobs.pick(28, 30))

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            loss = kit.squares(model(x), y)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        if repaired:
            scaler.step(optimizer)
        else:
            optimizer.step()
        scaler.update()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(90, 32, 8),
        train_step,
        Expected(("scaler-misuse",), (), (), 0),
        scaler=scaler,
    )
