"""The scaled loss is only logged, backward runs on the plain one, and the scaler's step divides all the same."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(7, knobs.pick(16, 20), 1)
    optimizer, scaler = kit.sgd(model, lr=0.05, momentum=0.5), kit.new_scaler(2.0 ** knobs.pick(14, 16))
    logged: list[float] = []

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            loss = kit.squares(model(batch[0]), batch[1])
        scaled = scaler.scale(loss)
        logged.append(float(scaled.detach()))
        (scaled if repaired else loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(80, 64, 7),
        train_step,
        Expected(("scaler-misuse",), (), (), None, "stalls"),
        scaler=scaler,
    )
