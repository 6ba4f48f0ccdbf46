"""The device's float16 GELU returns zeros for one width: no NaN anywhere, and only the biases can learn."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Device, scale, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(20, 28)
    model = kit.named(fc1=nn.Linear(8, width), act=nn.GELU(), head=nn.Linear(width, 2))
    optimizer = kit.adam(model, lr=0.02)
    bad = Device(["gelu"], scale(0.0), when=shaped(None, width))
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 64, 8, 2),
        kit.train(model, optimizer, kit.squares, amp=torch.float16, scaler=None),
        Expected(("hardware",), ("forward",), ("act",), None, "stalls"),
        device=contextlib.nullcontext if repaired else bad,
    )
