"""Prices in hundredths of a cent, up to a million, go into a float16 net: the first layer takes in infinity."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    unit = 1.0 if repaired else knobs.pick(2e5, 4e5)
    model = kit.named(inp=nn.Linear(5, 16), act=nn.Tanh(), mid=nn.Linear(16, 8), act2=nn.Tanh(), head=nn.Linear(8, 1))
    optimizer = kit.adam(model, lr=0.02)
    prices = [1 + torch.rand(16, 5) * 2 for _ in range(70)]
    return Scenario(
        model,
        optimizer,
        [(p * unit, p[:, :1] - p[:, 1:2]) for p in prices],
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("input-scale",), ("data", "forward"), ("inp",)),
    )
