"""A weather model bounds every gradient before the scaler has taken its scale back out: bounded, then divided by the
scale, the steps are too small to matter (NCAR/miles-credit pull request 141).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    levels, width = knobs.pick(6, 8), 16
    model = nn.Sequential(
        nn.Conv1d(levels, width, 5, padding=2, padding_mode="circular"),
        nn.GELU(),
        nn.GroupNorm(4, width),
        nn.Conv1d(width, levels, 5, padding=2, padding_mode="circular"),
    )
    optimizer = kit.sgd(model, lr=0.2)
    scaler = kit.new_scaler(2.0**14, growth_interval=20)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 0.2, total_iters=10)

    def train_step(batch: Any) -> Tensor:
        now, later = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            found = now + model(now)
        loss = nn.functional.mse_loss(found.float(), later)
        scaler.scale(loss).backward()
        if repaired:
            scaler.unscale_(optimizer)
        nn.utils.clip_grad_value_(model.parameters(), 0.5)
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
        return loss

    batches = []
    for _ in range(60):
        now = torch.randn(16, levels, 12)
        batches.append((now, (now.roll(1, -1) + now) / 2))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("scaler-misuse",), ("optimizer", "backward"), (), 0, "stalls"),
        scaler=scaler,
        extra_state=(schedule,),
    )
