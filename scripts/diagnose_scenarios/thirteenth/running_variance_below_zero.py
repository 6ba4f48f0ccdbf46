"""Batch norm with a momentum of 1.6 drives its running variance below zero; the pass in eval mode takes its root.

The training target of each step comes from the same net in eval mode.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(10, 14)
    momentum = 0.1 if repaired else knobs.pick(1.8, 1.9)
    norm = nn.BatchNorm1d(width, momentum=momentum)
    model = kit.named(inp=nn.Linear(8, width), norm=norm, act=nn.Tanh(), head=nn.Linear(width, 1))
    optimizer = kit.sgd(model, lr=0.1)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        model.eval()
        with torch.no_grad():
            calm = model(x)
        model.train()
        optimizer.zero_grad()
        guess = model(x)
        loss = kit.squares(guess, y) + 0.1 * kit.squares(guess, calm)
        loss.backward()
        optimizer.step()
        return loss

    batches = kit.regression(60, 16, 8)
    spread = [0.3 if number % 2 else 1.5 for number in range(60)]
    batches = [(x * s, y * s) for (x, y), s in zip(batches, spread, strict=True)]
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("batch-statistics",), ("forward",), ("norm",), None),
    )
