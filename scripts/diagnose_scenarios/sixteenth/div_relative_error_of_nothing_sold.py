"""A forecast is judged by its relative error, and on one day nothing was sold: the error is divided by 0."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 12)
    model = nn.ModuleDict({"memory": nn.GRU(2, width, batch_first=True), "say": nn.Linear(width, 1)})
    optimizer = kit.adam(model, lr=0.01)
    least = 0.1 if repaired else 0.0
    batches = []
    for i in range(50):
        past = torch.rand(8, 10, 2)
        sold = 2 + 3 * past[:, -3:, 0].mean(1, keepdim=True)
        if i == step:
            sold[3] = 0
        batches.append((past, sold))

    def train_step(batch: Any) -> Tensor:
        past, sold = batch
        optimizer.zero_grad()
        told = model["say"](model["memory"](past)[0][:, -1])
        loss = ((told - sold).abs() / sold.abs().clamp(min=least)).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("division-by-zero",), ("loss",), (LOSS,), step),
    )
