"""A GradScaler that grows often and skips a step each time it has grown too far."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model)
    scaler = kit.new_scaler(2.0**16, growth_interval=knobs.pick(3, 5), growth_factor=4.0)
    step = kit.train(model, optimizer, kit.squares, scaler=scaler, amp=torch.float16)
    return Scenario(model, optimizer, kit.regression(100, 32, 8), step, scaler=scaler)
