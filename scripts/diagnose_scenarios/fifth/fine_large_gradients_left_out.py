"""Steps whose gradient is far too large are left out on purpose, and the scaler is told of it by its update
(the repaired loop of Haian-Jin/LVSM pull request 19).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width, every = knobs.pick(16, 24), knobs.pick(7, 9)
    model = kit.named(inp=nn.Linear(6, width), act=nn.GELU(), out=nn.Linear(width, 3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scaler = kit.new_scaler(2.0**10)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            loss = kit.squares(model(x), y)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if norm < 20:
            scaler.step(optimizer)
        scaler.update()
        return loss

    teacher = torch.randn(6, 3) / 2
    batches = []
    for number in range(90):
        x = torch.randn(16, 6)
        noise = 30.0 if number % every == every - 1 and number < 70 else 0.1
        batches.append((x, x @ teacher + noise * torch.randn(16, 3)))
    return Scenario(model, optimizer, batches, train_step, scaler=scaler)
