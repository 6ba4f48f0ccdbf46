"""The scaler is made inside the loop: its scale, too high at first, never gets to fall, and every step is skipped."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, start = knobs.pick(16, 24), 2.0 ** knobs.pick(32, 34)
    model = kit.named(inp=nn.Linear(8, width), act=nn.GELU(), head=nn.Linear(width, 3))
    optimizer = kit.adam(model, lr=0.02)
    kept = kit.new_scaler(start)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        scaler = kept if repaired else kit.new_scaler(start)
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            loss = kit.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.classes(100, 32, 8, 3),
        train_step,
        Expected(("scaler-misuse",), (), (), None, "stalls"),
        extra_state=(kept,) if repaired else (),
    )
