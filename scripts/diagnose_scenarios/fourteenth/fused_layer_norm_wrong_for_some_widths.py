"""The fused layer norm is wrong for widths that 16 divides, in every precision; mean and variance by hand are right."""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 32)
    model = kit.named(
        inp=nn.Linear(6, 20),
        norm1=nn.LayerNorm(20),
        act=nn.GELU(),
        mid=nn.Linear(20, width),
        norm2=nn.LayerNorm(width),
        head=nn.Linear(width, 1),
    )
    optimizer = kit.adam(model)
    bad = Device(
        ["native_layer_norm"],
        put(math.inf, (slice(None), knobs.randint(0, 15))),
        when=lambda call: call.out[0].shape[-1] % 16 == 0,
        dtypes=SINGLE,
    )
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 16, 6),
        kit.train(model, optimizer, kit.squares, amp=knobs.pick(None, torch.bfloat16)),
        Expected(("library",), ("forward",), ("norm2",)),
        device=contextlib.nullcontext if repaired else bad,
    )
