"""scaler.update() is given a fixed scale that overflows: every step is skipped for ever."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer, scaler = kit.sgd(model), kit.new_scaler(2.0 ** knobs.pick(30, 32))
    fixed = scaler.get_scale()

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            loss = kit.squares(model(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update(None if repaired else fixed)
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(90, 64, 8),
        train_step,
        Expected(("scaler-misuse",), (), (), None, "stalls"),
        scaler=scaler,
    )
