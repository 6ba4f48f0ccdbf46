"""Averaged gradient descent has its own decay term, lambd; with 30 it throws the weights to and fro."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(inp=nn.Linear(8, width), act=nn.Tanh(), out=nn.Linear(width, 2))
    optimizer = torch.optim.ASGD(
        model.parameters(), lr=0.1, alpha=0.0, lambd=1e-4 if repaired else knobs.pick(30.0, 40.0)
    )
    return Scenario(
        model,
        optimizer,
        kit.regression(100, 32, 8, 2),
        kit.train(model, optimizer, kit.squares),
        Expected(("weight-decay",), (), (), None),
    )
