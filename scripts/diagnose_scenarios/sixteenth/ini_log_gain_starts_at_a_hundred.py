"""A learnable gain is stored as a logarithm but starts at 100 as if it were none: exp(100) is infinite in float32."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Gain(nn.Module):
    def __init__(self, start: float) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor(start))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.log.exp()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, start = knobs.pick(12, 16), knobs.pick(100.0, 120.0)
    model = kit.named(
        enter=nn.Linear(6, width),
        gain=Gain(math.log(start) / 2 if repaired else start),
        act=nn.Tanh(),
        out=nn.Linear(width, 3),
    )
    optimizer = kit.adam(model, lr=0.01)
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 16, 6, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("initialisation",), ("forward", "backward"), ("gain",)),
    )
