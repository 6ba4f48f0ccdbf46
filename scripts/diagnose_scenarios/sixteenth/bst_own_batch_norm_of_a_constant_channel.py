"""A hand-written batch norm has no eps, and one channel is the same in the whole batch: 0 divided by a deviation of
0.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class OwnNorm(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width, 1, 1))
        self.shift = nn.Parameter(torch.zeros(width, 1, 1))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((0, 2, 3), keepdim=True)
        var = (x - mean).square().mean((0, 2, 3), keepdim=True)
        return (x - mean) / (var + self.eps).sqrt() * self.gain + self.shift


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.named(
        norm=OwnNorm(3, 1e-5 if repaired else 0.0),
        conv=nn.Conv2d(3, knobs.pick(6, 8), 3),
        act=nn.ReLU(),
        flat=nn.Flatten(),
        head=nn.LazyLinear(3),
    )
    batches = kit.images(40, 8, 3, 6, 3)
    model(batches[0][0])
    optimizer = kit.sgd(model, lr=0.05)
    batches[step][0][:, knobs.randint(0, 2)] = 0.0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics", "division-by-zero"), ("forward",), ("norm",), step),
    )
