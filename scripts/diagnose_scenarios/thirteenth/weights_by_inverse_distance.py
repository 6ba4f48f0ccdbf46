"""Neighbours are weighted by 1 / distance; a query lies exactly on a neighbour: infinity by infinity."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Interpolate(nn.Module):
    def __init__(self, least: float) -> None:
        super().__init__()
        self.least, self.values = least, nn.Linear(3, 8)

    def forward(self, query: Tensor, points: Tensor) -> Tensor:
        distance = (query[:, None] - points).abs().sum(-1)
        weight = 1 / distance.clamp(min=self.least)
        weight = weight / weight.sum(1, keepdim=True)
        return torch.einsum("bn,bnc->bc", weight, self.values(points))


class Net(nn.Module):
    def __init__(self, least: float) -> None:
        super().__init__()
        self.interp, self.head = Interpolate(least), nn.Linear(8, 1)

    def forward(self, batch: Any) -> Tensor:
        return self.head(self.interp(*batch).tanh())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model, step = Net(1e-3 if repaired else 0.0), knobs.randint(10, 24)
    optimizer = kit.adam(model, lr=0.03)
    batches = []
    for _ in range(60):
        points = torch.randn(16, knobs.pick(4, 5), 3)
        query = points.mean(1) + 0.1 * torch.randn(16, 3)
        batches.append(((query, points), query.sum(1, keepdim=True)))
    (query, points), _ = batches[step]
    query[3] = points[3, 1]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("division-by-zero",), ("forward",), ("interp",), step),
    )
