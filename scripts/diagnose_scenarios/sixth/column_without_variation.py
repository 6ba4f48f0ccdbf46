"""A table is standardised column by column; one column holds the same value in every row, and its deviation of 0 makes
it 0 over 0 (fastai/fastai issue 889).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    column = knobs.randint(0, 5)
    model = kit.mlp(6, knobs.pick(16, 24), 1)
    optimizer = kit.adam(model, lr=0.02)
    table = torch.randn(32 * 60, 6) * torch.rand(6) * 5 + 20 * torch.rand(6)
    table[:, column] = 20.0
    deviation = table.std(0)
    conts = (table - table.mean(0)) / (deviation.masked_fill(deviation == 0, 1) if repaired else deviation)
    target = conts.nan_to_num() @ torch.randn(6, 1) / 2
    return Scenario(
        model,
        optimizer,
        list(zip(conts.split(32), target.split(32), strict=True)),
        kit.train(model, optimizer, kit.squares),
        Expected(("bad-data",), ("data",), (), 0),
    )
