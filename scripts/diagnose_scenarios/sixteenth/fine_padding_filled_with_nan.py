"""Short series are padded with NaN, which the first line of the model replaces before any layer sees it."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Series(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.memory = nn.GRU(2, width, batch_first=True)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        missing = x.isnan().any(-1, keepdim=True)
        clean = torch.where(x.isnan(), torch.zeros_like(x), x)
        return self.head(self.memory(torch.cat([clean[..., :1], missing.float()], -1))[0].mean(1))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Series(knobs.pick(10, 14))
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for _ in range(50):
        x = torch.randn(12, 8, 1)
        y = 1 + x[:, :4].mean(1)
        for row, end in enumerate(torch.randint(4, 9, (12,)).tolist()):
            x[row, end:] = math.nan
        batches.append((x, y))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares))
