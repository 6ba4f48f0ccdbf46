"""Two optimizers became one, and the line that stepped the second one stayed: the scaler refuses a second step before
its update.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    scaler = kit.new_scaler(2.0 ** knobs.pick(10, 12))

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            loss = kit.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        if not repaired:
            scaler.step(optimizer)
        scaler.update()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.classes(40, 16, 8, 3),
        train_step,
        Expected(("scaler-misuse",), ("optimizer",), (), 0, "raises"),
        scaler=scaler,
    )
