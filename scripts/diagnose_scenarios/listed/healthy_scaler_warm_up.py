"""A GradScaler that starts at 2^28 and halves until gradients fit: the first steps are skipped, as they should be."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer, scaler = kit.sgd(model), kit.new_scaler(2.0 ** knobs.pick(24, 28, 32))
    return Scenario(
        model,
        optimizer,
        kit.regression(80, 32, 8),
        kit.train(model, optimizer, kit.squares, scaler=scaler, amp=torch.float16, clip=5.0),
        scaler=scaler,
    )
