"""A table's customer number, a nine-digit number, is left among features of unit size."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    column = knobs.randint(0, 7)
    model = kit.named(inp=nn.Linear(8, knobs.pick(12, 16)), act=nn.LeakyReLU(0.1), head=nn.LazyLinear(1))
    model(torch.zeros(1, 8))
    optimizer = kit.sgd(model, lr=0.05)
    batches = kit.regression(60, 32, 8)
    for x, _ in batches:
        number = torch.randint(100_000_000, 999_999_999, (32,)).float()
        x[:, column] = (number - 5.5e8) / 2.6e8 if repaired else number
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), (), (), None),
    )
