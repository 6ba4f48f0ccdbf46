"""A user without any history has a profile of zeros, and a layer divides the profile by its length."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Direction(nn.Module):
    def __init__(self, small: float) -> None:
        super().__init__()
        self.small = small

    def forward(self, x: Tensor) -> Tensor:
        return x / (x.norm(dim=-1, keepdim=True) + self.small)


class Recommend(nn.Module):
    def __init__(self, items: int, width: int, small: float) -> None:
        super().__init__()
        self.items = nn.Embedding(items + 1, width, padding_idx=0)
        self.direction = Direction(small)
        self.score = nn.Linear(width, items)

    def forward(self, seen: Tensor) -> Tensor:
        return self.score(self.direction(self.items(seen).sum(1)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, items = knobs.step(), knobs.pick(8, 10)
    model = Recommend(items, knobs.pick(12, 16), 1e-6 if repaired else 0.0)
    optimizer = kit.adam(model, lr=0.05)
    batches = []
    for i in range(60):
        seen = torch.randint(1, items + 1, (16, 4))
        if i == step:
            seen[knobs.randint(0, 15)] = 0
        batches.append((seen, (seen[:, 0] - 1).clamp(min=0)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("division-by-zero",), ("forward",), ("direction",), step),
    )
