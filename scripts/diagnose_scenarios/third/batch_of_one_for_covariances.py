"""A loss on the covariance of embeddings meets the last batch of an epoch, which holds one pair only."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    """Repaired: the last batch is dropped to two pairs."""
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(4, 6)
    model = kit.named(enc=nn.Linear(8, 16), act=nn.ReLU(), proj=nn.Linear(16, width))
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        first, second = batch
        optimizer.zero_grad()
        a, b = model(first), model(second)
        spread = torch.cov(a.t())
        off = spread - torch.eye(width)
        loss = kit.squares(a, b) + off.square().mean()
        loss.backward()
        optimizer.step()
        return loss

    def pair(size: int) -> tuple[Tensor, Tensor]:
        x = torch.randn(size, 8)
        return x + 0.1 * torch.randn(size, 8), x + 0.1 * torch.randn(size, 8)

    sizes = [32] * 60
    sizes[step] = 2 if repaired else 1
    return Scenario(
        model,
        optimizer,
        [pair(size) for size in sizes],
        train_step,
        Expected(("batch-statistics",), ("loss",), (LOSS,), step),
    )
