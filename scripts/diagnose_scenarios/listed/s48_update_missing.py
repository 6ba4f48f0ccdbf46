"""scaler.update() is left out: the second step raises, as torch says it will."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer, scaler = kit.sgd(model), kit.new_scaler()

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            loss = kit.squares(model(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        if repaired:
            scaler.update()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(60, 32, 8),
        train_step,
        Expected(("scaler-misuse",), ("optimizer",), (), 1, "raises"),
        scaler=scaler,
    )
