"""Adagrad on float16 weights: its eps of 1e-10 is 0 there, and a column without any input so far divides 0 by 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    columns = knobs.pick(6, 8)
    model = kit.named(inp=nn.Linear(columns, 16), act=nn.ReLU(), head=nn.Linear(16, 1)).half()
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.05, eps=1e-4 if repaired else 1e-10)
    silent = knobs.randint(0, columns - 1)
    batches = []
    for x, y in kit.regression(60, 24, columns):
        x[:, silent] = 0
        batches.append((x.half(), y.half()))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("optimizer-eps",), ("optimizer",), ("inp", "<optimizer>")),
    )
