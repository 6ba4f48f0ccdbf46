"""The first steps overflow at a loss scale that starts too high and are skipped, as is meant."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(24, 32), 3)
    optimizer = kit.adam(model, lr=0.02)
    scaler = kit.new_scaler(2.0**22)
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 32, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy, scaler=scaler, amp=torch.float16),
        scaler=scaler,
    )
