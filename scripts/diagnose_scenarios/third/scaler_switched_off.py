"""A GradScaler that a flag switched off, with autocast to float16 left on: small gradients become zero."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, share = knobs.pick(16, 24), knobs.pick(1e-7, 2e-7)
    model = kit.named(inp=nn.Linear(6, width), act=nn.GELU(), head=nn.Linear(width, 3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, eps=1e-18, weight_decay=0.0)
    scaler = kit.new_scaler(2.0**24, enabled=repaired)
    return Scenario(
        model,
        optimizer,
        kit.classes(50, 32, 6, 3),
        kit.train(
            model, optimizer, lambda p, y: share * kit.cross_entropy(p, y), scaler=scaler, amp=torch.float16, clip=1.0
        ),
        Expected(("gradient-underflow", "scaler-misuse"), ("backward",), (), None, "stalls"),
        scaler=scaler,
    )
