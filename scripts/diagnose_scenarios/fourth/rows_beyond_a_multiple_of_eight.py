"""Every bfloat16 product, however it is called, leaves NaN in the rows beyond a multiple of 8, as the last batch has
them.
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import LOW, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def damage(call: Call) -> None:
    call.out[..., call.out.shape[-2] // 8 * 8 :, :] = math.nan


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(16, 24), knobs.step()
    model = kit.named(inp=nn.Linear(8, width), act=nn.SiLU(), head=nn.Linear(width, 3))
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)
    centres = torch.randn(3, 8) * 1.5
    batches = []
    for number in range(40):
        y = torch.randint(3, (knobs.pick(13, 19) if number % 40 == step else 16,))
        batches.append((centres[y] + torch.randn(len(y), 8), y))
    bad = Device(
        ["mm", "addmm", "bmm", "baddbmm"],
        damage,
        when=lambda call: call.out.shape[-2] > 8 and call.out.shape[-2] % 8 != 0,
        dtypes=LOW,
    )
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.bfloat16),
        Expected(("hardware",), ("forward",), ("inp",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
