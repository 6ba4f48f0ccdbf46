"""Readings that are missing arrive as no numbers and are replaced by a learnt value before anything is computed; every
batch holds some of them.
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Filled(nn.Module):
    def __init__(self, columns: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(columns))

    def forward(self, x: Tensor) -> Tensor:
        gone = x.isnan()
        return torch.cat([torch.where(gone, self.token, x), gone.float()], 1)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    columns = knobs.pick(6, 8)
    model = kit.named(filled=Filled(columns), inp=nn.Linear(2 * columns, 24), act=nn.GELU(), out=nn.Linear(24, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    batches = []
    for x, y in kit.regression(70, 32, columns):
        x[torch.rand_like(x) < 0.1] = math.nan
        batches.append((x, y))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares))
