"""The loss is multiplied by the scale where it is computed, and once more where backward is called; the step divides
once.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(8, knobs.pick(16, 24)), act=nn.LeakyReLU(0.1), head=nn.LazyLinear(1))
    model(torch.zeros(1, 8))
    optimizer = kit.sgd(model, lr=0.1)
    scaler = kit.new_scaler(2.0**16)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.bfloat16):
            plain = kit.squares(model(x), y)
            loss = plain if repaired else scaler.scale(plain)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return plain.detach()

    return Scenario(
        model,
        optimizer,
        kit.regression(50, 32, 8),
        train_step,
        Expected(("scaler-misuse",), (), (), None),
        scaler=scaler,
    )
