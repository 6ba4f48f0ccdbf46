"""A fresh GradScaler with a scale of 2^34 is made at every step: it overflows, and its lesson is thrown away."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(9, knobs.pick(16, 20), 3)
    optimizer, power = kit.sgd(model, lr=0.1), knobs.pick(32, 34)
    kept = kit.new_scaler(2.0**power)

    def train_step(batch: Any) -> Tensor:
        scaler = kept if repaired else kit.new_scaler(2.0**power)
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            loss = kit.cross_entropy(model(batch["x"]), batch["y"])
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    batches = [{"x": x, "y": y} for x, y in kit.classes(80, 64, 9, 3)]
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("scaler-misuse",), (), (), None, "stalls"),
        scaler=kept if repaired else None,
    )
