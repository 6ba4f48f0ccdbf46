"""With a growth interval of 5 the scale overflows again and again, and every tenth step or so is skipped."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer, scaler = kit.sgd(model, lr=0.1), kit.new_scaler(2.0**14, growth_interval=knobs.pick(4, 5))
    return Scenario(
        model,
        optimizer,
        kit.regression(90, 32, 8),
        kit.train(model, optimizer, kit.squares, scaler=scaler, amp=torch.float16, clip=3.0),
        scaler=scaler,
    )
