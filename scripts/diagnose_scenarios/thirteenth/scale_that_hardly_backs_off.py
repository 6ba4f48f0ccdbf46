"""backoff_factor was set to 0.9999 from a scale of 2^40: every step is skipped because the scale hardly falls."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    backoff = 0.25 if repaired else knobs.pick(0.999, 0.9999)
    optimizer, scaler = kit.sgd(model, lr=0.1), kit.new_scaler(2.0 ** knobs.pick(36, 40), backoff_factor=backoff)
    return Scenario(
        model,
        optimizer,
        kit.regression(70, 48, 8),
        kit.train(model, optimizer, kit.squares, scaler=scaler, amp=torch.float16),
        Expected(("scaler-misuse",), (), (), None, "stalls"),
        scaler=scaler,
    )
