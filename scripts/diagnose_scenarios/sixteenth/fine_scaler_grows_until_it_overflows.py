"""A scaler that doubles every four steps overflows now and then in mid-training, skips that step and halves again."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model, lr=0.05, momentum=0.5)
    scaler = kit.new_scaler(2.0 ** knobs.pick(13, 14), growth_interval=4)
    return Scenario(
        model,
        optimizer,
        kit.regression(80, 24, 8),
        kit.train(model, optimizer, kit.squares, scaler=scaler, amp=torch.float16, clip=2.0),
        scaler=scaler,
    )
