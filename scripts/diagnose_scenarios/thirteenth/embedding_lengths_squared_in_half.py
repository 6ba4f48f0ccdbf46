"""Cosine similarity by hand in float16: the squares of a 128-wide embedding of size 30 add up beyond 65504.

The norm is infinite, infinity times zero of the other side is what the loss sees.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def cosine(a: Tensor, b: Tensor) -> Tensor:
    dots = (a * b).sum(1)
    return dots / ((a * a).sum(1).sqrt() * (b * b).sum(1).sqrt())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, gain = knobs.pick(128, 160), knobs.pick(60.0, 80.0)
    model = kit.named(inp=nn.Linear(10, 24), act=nn.ReLU(), embed=nn.Linear(24, width))
    with torch.no_grad():
        model.embed.weight.mul_(gain)
    optimizer = kit.adam(model, lr=0.01)

    def criterion(vectors: Tensor, target: Tensor) -> Tensor:
        if repaired:
            vectors, target = vectors.float(), target.float()
        return (1 - cosine(vectors, target * 20)).mean()

    data = kit.regression(60, 16, 10, width)
    return Scenario(
        model,
        optimizer,
        [(x, y.half()) for x, y in data],
        kit.train(model, optimizer, criterion, amp=torch.float16),
        Expected(("fp16-overflow",), ("loss",), (LOSS,)),
    )
