"""A layer whitens by the unbiased deviation over the batch, and a filter left one sample: no degree of freedom."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Whiten(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x - x.mean(0)) / (x.var(0) + 1e-5).sqrt()


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.embed, self.whiten, self.head = nn.Linear(8, width), Whiten(), nn.Linear(width, 1)

    def forward(self, batch: Any) -> Tensor:
        x, valid = batch
        return self.head(self.whiten(self.embed(x[valid])).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model, step = Net(knobs.pick(12, 16)), knobs.step()
    optimizer = kit.adam(model, lr=0.02)
    plain = kit.train(model, optimizer, kit.squares)
    batches = []
    for number, (x, y) in enumerate(kit.regression(60, 16, 8)):
        valid = torch.rand(16) > 0.2
        if number == step:
            valid[:] = False
            valid[: 3 if repaired else 1] = True
        batches.append((x, y, valid))
    return Scenario(
        model,
        optimizer,
        batches,
        lambda batch: plain(((batch[0], batch[2]), batch[1][batch[2]])),
        Expected(("batch-statistics",), ("forward",), ("whiten",), step),
    )
