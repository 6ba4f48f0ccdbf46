"""The days on which the exchange was closed are put into the series so that it has no gaps, but without a value;
every forecast and the loss are not numbers (unit8co/darts issue 1438).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    window, width = knobs.pick(10, 12), 16
    days = 260
    index = torch.randn(days).cumsum(0) * 0.1
    closed = torch.randperm(days - 90)[: knobs.randint(2, 4)] + 80
    series = index.clone()
    series[closed] = index[closed - 1] if repaired else math.nan
    model = nn.ModuleDict(
        {"past": nn.Linear(window, width), "block": nn.Linear(width, width), "future": nn.Linear(width, 1)}
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)

    def train_step(batch: dict[str, Tensor]) -> Tensor:
        last = batch["past"][:, -1:]
        h = model["past"](batch["past"] - last).relu()
        h = h + model["block"](h).relu()
        loss = (model["future"](h) + last - batch["future"]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches, first = [], None
    windows = series.unfold(0, window + 1, 1)
    for number in range(56):
        rows = windows[4 * number : 4 * number + 16]
        if first is None and not rows.isfinite().all():
            first = number
        batches.append({"past": rows[:, :-1], "future": rows[:, -1:]})
    return Scenario(model, optimizer, batches, train_step, Expected(("bad-data",), ("data",), (), first), learns=False)
