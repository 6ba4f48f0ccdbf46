"""Adagrad on float16 weights of a rectified net: its eps of 1e-10 is 0 there, and dead units have sums of 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(6, 20), act=nn.ReLU(), mid=nn.Linear(20, 12), act2=nn.ReLU(), head=nn.Linear(12, 1))
    with torch.no_grad():
        model.mid.bias[: knobs.pick(2, 3)] = -30
    model = model.half()
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.02, eps=1e-3 if repaired else 1e-10)
    return Scenario(
        model,
        optimizer,
        [(x.half(), y.half()) for x, y in kit.regression(80, 16, 6)],
        kit.train(model, optimizer, kit.squares),
        Expected(("optimizer-eps",), ("optimizer",), ("<optimizer>", "mid")),
    )
