"""BatchNorm1d meets a last batch of one row: torch raises."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = kit.named(inp=nn.Linear(8, width), norm1=nn.BatchNorm1d(width), act=nn.ReLU(), out=nn.Linear(width, 1))
    optimizer = kit.adam(model, lr=0.02)
    batches = kit.regression(60, 16, 8)
    x, y = batches[step]
    rows = 3 if repaired else 1
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x[:rows], y[:rows])),
        kit.train(model, optimizer, kit.squares),
        Expected(("batch-statistics",), ("forward",), ("norm1",), step, "raises"),
    )
