"""A bfloat16 product stores its rows one place too far: every value is finite, each sample gets its neighbour's
answer.
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Call, Device, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def shift(call: Call) -> None:
    call.out.copy_(call.out.clone().roll(1, 0))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(17, 23)
    model = kit.named(
        inp=nn.Linear(6, 12), act=nn.ReLU(), mid=nn.Linear(12, width), act2=nn.ReLU(), out=nn.Linear(width, 3)
    )
    optimizer = kit.adam(model, lr=0.01)
    bad = Device(["addmm"], shift, when=shaped(None, width), dtypes=(torch.bfloat16,))
    return Scenario(
        model,
        optimizer,
        kit.classes(70, 24, 6, 3),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.bfloat16),
        Expected(("hardware",), ("forward",), ("mid",), None, "stalls"),
        device=contextlib.nullcontext if repaired else bad,
    )
