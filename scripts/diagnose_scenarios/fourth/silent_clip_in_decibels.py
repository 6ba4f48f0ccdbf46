"""Levels in decibels are computed while the data set is made; a silent moment of one clip is minus infinity."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    bands, step = knobs.pick(6, 8), knobs.step()
    model = kit.named(
        conv=nn.Conv1d(bands, 12, 3),
        act=nn.ReLU(),
        pool=nn.AdaptiveAvgPool1d(1),
        flat=nn.Flatten(),
        head=nn.Linear(12, 3),
    )
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for number, (x, y) in enumerate(kit.classes(50, 16, bands, 3)):
        amplitude = (x[:, :, None] + 0.3 * torch.randn(16, bands, 12)).exp()
        if number == step and not repaired:
            amplitude[4, :, 5] = 0
        batches.append({"levels": 20 * amplitude.log10() / 10, "labels": y, "names": [f"clip {i}" for i in range(16)]})

    def train_step(batch: dict[str, Any]) -> Tensor:
        loss = kit.cross_entropy(model(batch["levels"]), batch["labels"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(model, optimizer, batches, train_step, Expected(("bad-data",), ("data",), (), step))
