"""The loss scale begins far too high, some first steps are skipped, then training goes its way."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    optimizer, scaler = kit.adam(model, lr=0.02), kit.new_scaler(2.0 ** knobs.pick(22, 24))
    return Scenario(
        model,
        optimizer,
        kit.classes(80, 32, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy, scaler=scaler, amp=torch.float16, clip=1.0),
        scaler=scaler,
    )
