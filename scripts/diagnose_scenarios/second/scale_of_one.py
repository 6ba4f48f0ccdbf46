"""A GradScaler is there, but starts at 1 and never grows in a short run."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 2)
    optimizer = kit.adam(model, lr=0.02, eps=1e-20)
    scaler = kit.new_scaler(2.0**27 if repaired else 1.0, growth_interval=2000)
    factor = knobs.pick(1e-9, 2e-9)
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 64, 8, 2),
        kit.train(model, optimizer, lambda p, y: factor * kit.squares(p, y), scaler=scaler, amp=torch.float16),
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
        scaler=scaler,
    )
