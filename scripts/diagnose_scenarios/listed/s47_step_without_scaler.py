"""The loss is scaled, but the optimizer steps by itself: gradients are 65536 times too large."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer, scaler = kit.sgd(model), kit.new_scaler(2.0 ** knobs.pick(12, 14, 16))

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            loss = kit.squares(model(x), y)
        scaler.scale(loss).backward()
        if repaired:
            scaler.step(optimizer)
            scaler.update()
        else:
            optimizer.step()
        return loss

    step_only = Expected(("scaler-misuse",), (), (), None)
    return Scenario(model, optimizer, kit.regression(60, 32, 8), train_step, step_only, scaler=scaler)
