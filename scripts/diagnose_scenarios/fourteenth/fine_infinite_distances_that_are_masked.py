"""Distances between atoms that do not see each other are infinite in the batch, and become 0 by exp(-distance)."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Field(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inp, self.out = nn.Linear(3, width), nn.Linear(width, 1)

    def forward(self, system: dict[str, Tensor]) -> Tensor:
        weight = torch.exp(-system["distance"])
        return self.out((weight @ self.inp(system["kinds"])).relu().mean(1))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    atoms = knobs.pick(5, 7)
    model = Field(knobs.pick(10, 14))
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for _ in range(80):
        distance = torch.rand(12, atoms, atoms).masked_fill(torch.rand(12, atoms, atoms) < 0.4, math.inf)
        kinds = torch.randn(12, atoms, 3) + torch.randn(12, 1, 3)
        batches.append(({"distance": distance, "kinds": kinds}, kinds[..., :1].mean(1)))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares))
