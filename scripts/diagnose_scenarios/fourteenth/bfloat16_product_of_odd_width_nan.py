"""Only bfloat16 products whose width is not a multiple of eight have NaN in the last column; float16 would be right."""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    odd = knobs.pick(13, 19, 21)
    model = kit.named(
        wide=nn.Linear(12, 32), act1=nn.GELU(), odd=nn.Linear(32, odd), act2=nn.GELU(), head=nn.Linear(odd, 8)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    bad = Device(
        ["addmm"],
        put(math.nan, (slice(None), -1)),
        when=lambda call: call.out.shape[1] % 8 != 0,
        dtypes=(torch.bfloat16,),
    )
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 16, 12, 8),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.bfloat16),
        Expected(("hardware",), ("forward",), ("odd",)),
        device=contextlib.nullcontext if repaired else bad,
    )
