"""A layer pools by the standard deviation, sqrt of a variance; a silent clip has variance 0 and an infinite slope."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Spread(nn.Module):
    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        return (centred.square().mean(1) + self.eps).sqrt()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(8, 12), knobs.randint(10, 24)
    model = kit.named(
        inp=nn.Linear(4, width, bias=False), spread=Spread(1e-5 if repaired else 0.0), head=nn.Linear(width, 1)
    )
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for _ in range(50):
        loud = 0.3 + torch.rand(12, 1, 1)
        batches.append((loud * torch.randn(12, 10, 4), 2 * loud[:, 0]))
    batches[step][0][knobs.randint(0, 11)] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("singular-gradient",), ("backward",), ("spread",), step),
    )
