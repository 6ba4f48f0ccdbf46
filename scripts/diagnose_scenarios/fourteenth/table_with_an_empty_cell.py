"""A table's empty cell is read as NaN, among the numbers of a net that has an embedding for its categories."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class TableNet(nn.Module):
    def __init__(self, kinds: int, width: int) -> None:
        super().__init__()
        self.kind, self.numbers = nn.Embedding(kinds, 4), nn.Linear(5, width)
        self.head = nn.Sequential(nn.Linear(width + 4, 12), nn.ReLU(), nn.Linear(12, 1))

    def forward(self, row: tuple[Tensor, Tensor]) -> Tensor:
        kind, numbers = row
        return self.head(torch.cat([self.kind(kind), self.numbers(numbers)], 1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    kinds, step = knobs.pick(4, 7), knobs.randint(6, 20)
    model = TableNet(kinds, knobs.pick(8, 12))
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for _ in range(70):
        kind, numbers = torch.randint(kinds, (20,)), torch.randn(20, 5)
        batches.append(((kind, numbers), numbers[:, :1] + (kind[:, None] % 2)))
    if not repaired:
        batches[step][0][1][knobs.randint(0, 19), knobs.randint(0, 4)] = math.nan
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("bad-data",), ("data",), (), step),
    )
