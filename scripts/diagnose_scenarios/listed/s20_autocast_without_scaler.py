"""Autocast to float16 without a GradScaler: activation gradients of 1e-9 are flushed to 0 and nothing is learnt."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.adam(model, eps=1e-20)
    factor = knobs.pick(1e-9, 3e-9)
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 64, 8),
        kit.train(
            model,
            optimizer,
            lambda p, y: factor * kit.squares(p, y),
            scaler=kit.new_scaler(2.0**26) if repaired else None,
            amp=torch.float16,
        ),
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
    )
