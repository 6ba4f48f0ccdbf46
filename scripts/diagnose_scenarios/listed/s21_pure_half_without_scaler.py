"""Weights in float16, a loss of 1e-6 and no loss scaling: every gradient is exactly 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    dtype = torch.float32 if repaired else torch.float16
    model = model.to(dtype)
    factor = knobs.pick(1e-6, 2e-6)
    optimizer = kit.sgd(model, lr=0.05 / factor)
    return Scenario(
        model,
        optimizer,
        [(x.to(dtype), y.to(dtype)) for x, y in kit.regression(60, 256, 8)],
        kit.train(model, optimizer, lambda p, y: (factor * (p - y).square()).mean()),
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
    )
