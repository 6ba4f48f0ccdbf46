"""A scaler that begins at 2^30 skips a dozen steps of Adam while it looks for its scale, then trains as it should."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(7, knobs.pick(14, 20), 3)
    optimizer, scaler = kit.adam(model, lr=0.02), kit.new_scaler(2.0 ** knobs.pick(30, 34))
    return Scenario(
        model,
        optimizer,
        kit.classes(80, 24, 7, 3),
        kit.train(model, optimizer, kit.cross_entropy, scaler=scaler, amp=torch.float16),
        scaler=scaler,
    )
