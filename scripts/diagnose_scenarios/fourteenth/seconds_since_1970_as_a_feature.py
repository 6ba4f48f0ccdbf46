"""A column of seconds since 1970 goes into a net raw, beside columns of unit size."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(6, knobs.pick(12, 16)), act=nn.LeakyReLU(), head=nn.LazyLinear(1))
    batches = []
    for _ in range(60):
        x = torch.randn(24, 6)
        y = x[:, :1] - x[:, 1:2] + 0.5 * x[:, 5:]
        if not repaired:
            x[:, 5] = knobs.pick(1.6e9, 1.7e9) + 1e7 * x[:, 5]
        batches.append((x, y))
    model(batches[0][0])
    optimizer = kit.sgd(model, lr=0.03)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), (), (), None),
    )
