"""A learnt scale is kept as its logarithm and was initialised as if it were the scale itself: exp(100) is infinite."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Scale(nn.Module):
    def __init__(self, start: float) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor(start))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.log.exp()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    start = knobs.pick(100.0, 120.0)
    model = kit.named(
        inp=nn.Linear(8, 16), act=nn.Tanh(), head=nn.Linear(16, 3), scale=Scale(math.log(10.0) if repaired else start)
    )
    optimizer = kit.adam(model, lr=0.02)
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 16, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("initialisation",), ("forward",), ("scale",)),
    )
