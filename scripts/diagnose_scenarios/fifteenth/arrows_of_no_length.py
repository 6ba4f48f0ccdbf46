"""A nonlinearity scales arrows by a function of their length; at an arrow of no length the root under it has no slope
that could be passed on (e3nn/e3nn pull request 258).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class NormActivation(nn.Module):
    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, v: Tensor) -> Tensor:
        length = (v.square().sum(-1) + self.eps).sqrt()
        return v * (length + self.bias).sigmoid()[..., None]


class Arrows(nn.Module):
    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.first = nn.Linear(4, channels, bias=False)
        self.act = NormActivation(channels, eps)
        self.last = nn.Linear(channels, 1, bias=False)

    def forward(self, v: Tensor) -> Tensor:
        h = self.act(self.first(v.mT).mT)
        return self.last(h.mT)[..., 0]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(4, 22)
    model = Arrows(knobs.pick(8, 12), 1e-8 if repaired else 0.0)
    optimizer = kit.adam(model, 0.02)
    weight = torch.randn(4)
    batches = []
    for number in range(45):
        v = torch.randn(24, 4, 3)
        if number == step:
            v[knobs.randint(0, 23)] = 0.0
        batches.append((v, (v * weight[:, None]).sum(1) / 2))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("singular-gradient",), ("backward",), ("act",), step),
    )
