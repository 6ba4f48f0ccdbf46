"""Anchor and positive of a triplet are equal: the root of their distance has no slope (sentence-transformers 4033)."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = kit.named(enc=nn.Linear(6, width), act=nn.Tanh(), emb=nn.Linear(width, 4))
    optimizer = kit.adam(model, lr=0.02)

    def distance(a: Tensor, b: Tensor) -> Tensor:
        square = (a - b).square().sum(1)
        return (square + 1e-9).sqrt() if repaired else square.sqrt()

    def criterion(z: Tensor, _: Tensor) -> Tensor:
        anchor, positive, negative = z.chunk(3)
        return (distance(anchor, positive) - distance(anchor, negative) + 1.0).relu().mean()

    batches = []
    for _ in range(80):
        x = torch.randn(16, 6)
        batches.append((torch.cat([x, x + 0.3 * torch.randn(16, 6), torch.randn(16, 6)]), torch.zeros(1)))
    batches[step][0][16 + 2] = batches[step][0][2]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("singular-gradient",), ("backward",), (LOSS,), step),
    )
