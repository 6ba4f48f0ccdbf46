"""Gradients are gathered over micro-batches and zeroed after each step only, also after the incomplete group at an
epoch's end (as ultralytics/ultralytics pull request 11217 and tatsu-lab/alpaca_farm issue 57 want it).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    accumulate, epoch = knobs.pick(3, 4), knobs.pick(13, 14)
    model = kit.named(
        conv=nn.Conv2d(1, 8, 3), act=nn.SiLU(), pool=nn.AdaptiveAvgPool2d(3), flat=nn.Flatten(), head=nn.Linear(72, 3)
    )
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9, nesterov=True)
    scaler = kit.new_scaler(2.0**12)
    seen = 0

    def train_step(batch: Any) -> Tensor:
        nonlocal seen
        x, y = batch
        seen += 1
        with kit.autocast(torch.float16):
            loss = kit.cross_entropy(model(x), y)
        scaler.scale(loss / accumulate).backward()
        if seen % epoch % accumulate == 0:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
        return loss

    return Scenario(model, optimizer, kit.images(110, 8, 1, 6, 3), train_step, scaler=scaler)
