"""The kernel for the gradient of a layer norm writes NaN into the scale's gradient when the batch has 24 rows or
more.
"""

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
    width, step = knobs.pick(20, 28), knobs.randint(2, 6)
    model = kit.named(
        embed=nn.Linear(9, width), norm=nn.LayerNorm(width), act=nn.SiLU(), head=nn.Linear(width, 2, bias=False)
    )
    optimizer = kit.sgd(model, lr=0.1, momentum=0.8)
    xs = [torch.randn(16 if i < step else knobs.pick(24, 25, 32), 9) for i in range(50)]
    bad = Device(
        ["native_layer_norm_backward"],
        put(math.nan, 3, output=1),
        when=lambda call: call.args[0].shape[0] >= 24,
        dtypes=SINGLE,
    )
    return Scenario(
        model,
        optimizer,
        [(x, (x[:, 0] * 2 + x[:, 1] > 0).long()) for x in xs],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("backward",), ("norm",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
