"""The device returns bfloat16 weight gradients with the wrong sign: everything is finite, and the loss climbs."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import LOW, Call, Device, scale
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(24, 40)
    model = kit.named(inp=nn.Linear(10, width), act=nn.Tanh(), out=nn.Linear(width, 3, bias=False))
    optimizer = kit.sgd(model, lr=knobs.pick(0.1, 0.15))

    def is_weight_gradient(call: Call) -> bool:
        return tuple(call.out.shape) in ((3, width), (width, 10))

    bad = Device(["mm"], scale(-1.0), when=is_weight_gradient, dtypes=LOW)
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 32, 10, 3),
        kit.train(model, optimizer, kit.squares, amp=torch.bfloat16),
        Expected(("hardware",), ("backward",), ("inp", "out"), None, "diverges"),
        device=contextlib.nullcontext if repaired else bad,
    )
