"""The first part of a training runs under float16 autocast with a scaler, the rest in float32 without; a batch says
which.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width, change = knobs.pick(16, 24), knobs.randint(25, 35)
    model = kit.named(conv=nn.Conv1d(3, width, 3, padding=1), act=nn.SiLU(), pool=nn.AdaptiveMaxPool1d(1))
    model.add_module("flat", nn.Flatten())
    model.add_module("head", nn.Linear(width, 4))
    optimizer = kit.adam(model, lr=0.01)
    scaler = kit.new_scaler(2.0**15)

    def train_step(batch: Any) -> Tensor:
        x, y, half = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16 if half else None):
            logits = model(x)
        loss = nn.functional.cross_entropy(logits.float(), y)
        if half:
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        else:
            loss.backward()
            optimizer.step()
        return loss

    patterns = 1.5 * torch.randn(4, 3, 9)
    labels = [torch.randint(4, (24,)) for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(patterns[y] + torch.randn(24, 3, 9), y, number < change) for number, y in enumerate(labels)],
        train_step,
        scaler=scaler,
    )
