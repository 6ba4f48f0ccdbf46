"""A weather model clips its gradients to a length of one while they still carry the scale of thousands; divided by the
scale afterwards hardly anything is left of a step (NCAR/miles-credit pull request 141).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    levels, points = 3, 12
    model = kit.named(
        mix=nn.Conv1d(levels, knobs.pick(12, 16), 3, padding=1, padding_mode="circular"),
        act=nn.GELU(),
        out=nn.LazyConv1d(levels, 3, padding=1, padding_mode="circular"),
    )
    model(torch.zeros(1, levels, points))
    optimizer = kit.sgd(model, lr=0.3, momentum=0.5)
    scaler = kit.new_scaler(2.0 ** knobs.pick(14, 15))

    def train_step(batch: Any) -> Tensor:
        now, later = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            loss = nn.functional.mse_loss(model(now).float(), later)
        scaler.scale(loss).backward()
        if repaired:
            scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        scaler.step(optimizer)
        scaler.update()
        return loss

    batches = []
    for _ in range(60):
        wave = torch.randn(16, levels, points).cumsum(-1)
        wave = wave - wave.mean(-1, keepdim=True)
        batches.append((wave, wave.roll(1, -1)))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("scaler-misuse",), ("optimizer", "backward"), (), None, "stalls"),
        scaler=scaler,
    )
