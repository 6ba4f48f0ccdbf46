"""Targets in volts of a few tenths of a microvolt, under autocast to float16 without a GradScaler: every gradient
rounds to 0.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    volt = knobs.pick(1e-7, 2e-7)
    model = kit.named(inp=nn.Linear(8, knobs.pick(16, 24)), act=nn.Tanh(), head=nn.LazyLinear(2))
    model(torch.zeros(1, 8))
    nn.init.zeros_(model.head.weight)
    nn.init.zeros_(model.head.bias)
    optimizer = kit.adam(model, lr=volt / 10, eps=1e-20)
    scaler = kit.new_scaler(2.0**24) if repaired else None
    return Scenario(
        model,
        optimizer,
        [(x, volt * y) for x, y in kit.regression(60, 64, 8, 2)],
        kit.train(model, optimizer, kit.squares, scaler=scaler, amp=torch.float16),
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
        scaler=scaler,
    )
