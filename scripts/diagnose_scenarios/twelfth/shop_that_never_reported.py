"""Missing values of a series are filled with the mean of those that are there; of a series that has none the mean
does not exist, and it stays empty (tinkoff-ai/etna issue 339).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def impute(series: Tensor, fallback: bool) -> Tensor:
    known = series.isfinite()
    count = known.sum(1, keepdim=True)
    mean = torch.where(known, series, 0.0).sum(1, keepdim=True) / (count.clamp(min=1) if fallback else count)
    return torch.where(known, series, mean)


class Shops(nn.Module):
    def __init__(self, window: int, width: int) -> None:
        super().__init__()
        self.inp = nn.Linear(window, width)
        self.out = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.inp(x).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    window, step = knobs.pick(8, 10), knobs.randint(5, 25)
    model = Shops(window, 20)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    batches = []
    for number in range(60):
        level = 1 + torch.randn(24, 1)
        sales = level + 0.2 * torch.randn(24, window)
        sales = sales.masked_fill(torch.rand(24, window) < 0.1, float("nan"))
        if number == step:
            sales[knobs.randint(0, 23)] = float("nan")
        batches.append((impute(sales, repaired), 2 * level))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("bad-data",), ("data",), (), step),
    )
