"""Gradients clipped to a norm of 0.01, rightly unscaled before: small steps on purpose."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer, scaler = kit.sgd(model, lr=1.0), kit.new_scaler(2.0**12)
    step = kit.train(model, optimizer, kit.squares, scaler=scaler, amp=torch.float16, clip=knobs.pick(0.05, 0.1))
    return Scenario(model, optimizer, kit.regression(80, 32, 8), step, scaler=scaler)
