"""Autocast to bfloat16, which needs no loss scaling."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    optimizer = kit.adam(model, lr=0.02)
    return Scenario(
        model, optimizer, kit.classes(60, 16, 8, 3), kit.train(model, optimizer, kit.cross_entropy, amp=torch.bfloat16)
    )
