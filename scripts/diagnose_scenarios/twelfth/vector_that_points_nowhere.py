"""A norm for vectors divides by the root of their squares and multiplies again; a vector of zeros has no slope there,
and every weight is lost (FlyingGiraffe/vnn pull request 4).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class VectorNorm(nn.Module):
    def __init__(self, channels: int, safe: bool) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(channels)
        self.safe = safe

    def forward(self, v: Tensor) -> Tensor:
        squares = v.square().sum(-1)
        length = torch.linalg.vector_norm(v, dim=-1) + 1e-6 if self.safe else squares.sqrt()
        return v / (length + 1e-6)[..., None] * self.bn(length)[..., None]


class Neurons(nn.Module):
    def __init__(self, channels: int, safe: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(2, channels, bias=False)
        self.norm = VectorNorm(channels, safe)
        self.out = nn.Linear(channels, 1, bias=False)

    def forward(self, points: Tensor) -> Tensor:
        v = self.linear(points.mT).mT
        return self.out(self.norm(v).mT)[..., 0]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(5, 25)
    model = Neurons(knobs.pick(8, 12), repaired)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    batches = []
    for number in range(45):
        points = torch.randn(24, 2, 3)
        target = 2 * points[:, 0] - points[:, 1]
        if number == step:
            points[knobs.randint(0, 23)] = 0.0
        batches.append((points, target))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("singular-gradient",), ("backward",), ("norm",), step),
    )
