"""The scale of the loss begins far too high and comes down by itself: the first steps are left out, as is meant."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(8, 24), act=nn.GELU(), out=nn.Linear(24, 3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    scaler = kit.new_scaler(2.0 ** knobs.pick(26, 28))
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 32, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy, scaler=scaler, amp=torch.float16, clip=1.0),
        scaler=scaler,
    )
