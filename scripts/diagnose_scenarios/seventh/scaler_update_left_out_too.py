"""A step with too large a gradient is left out, and scaler.update() with it: the next unscale_ is one too many (as in
Haian-Jin/LVSM pull request 19).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.named(tokens=nn.Linear(6, knobs.pick(16, 24)), act=nn.GELU(), rgb=nn.LazyLinear(3))
    model(torch.zeros(1, 6))
    optimizer, scaler = kit.adam(model, lr=0.01), kit.new_scaler(2.0**8)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            loss = kit.squares(model(x), y)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if norm < 50:
            scaler.step(optimizer)
            scaler.update()
        elif repaired:
            scaler.update()
        return loss

    batches = kit.regression(70, 32, 6, 3)
    batches[step - 1][1].mul_(200)
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("scaler-misuse",), (), (), step, "raises"),
        scaler=scaler,
    )
