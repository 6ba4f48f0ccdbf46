"""A card returns NaN in some channels of float16 convolutions and computes everything else rightly (as in
pytorch/pytorch issue 58123).
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 16)
    model = kit.named(
        first=nn.Conv2d(1, width, 3, padding=1, bias=False),
        bn=nn.BatchNorm2d(width),
        act=nn.SiLU(),
        second=nn.Conv2d(width, 4, 3, padding=1),
        flat=nn.Flatten(),
        fc=nn.Linear(4 * 36, 3),
    )
    optimizer, scaler = kit.sgd(model, lr=0.05, momentum=0.9), kit.new_scaler(2.0**8)

    def damage(call: Call) -> None:
        call.out[:, 1::4] = math.nan

    def is_wide(call: Call) -> bool:
        return call.out.shape[1] % 8 == 0

    bad = Device(["convolution"], damage, when=is_wide)
    return Scenario(
        model,
        optimizer,
        kit.images(40, 8, 1, 6, 3),
        kit.train(model, optimizer, kit.cross_entropy, scaler=scaler, amp=torch.float16),
        Expected(("hardware",), ("forward",), ("first",), 0),
        scaler=scaler,
        device=contextlib.nullcontext if repaired else bad,
    )
