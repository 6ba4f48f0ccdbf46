"""On cards of one generation the last of three float16 convolutions returns NaN in its first channels and nothing but
its bias in the others; float32 is right (pytorch/pytorch issue 58123).
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import HALF, Call, Device, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def damage(call: Call) -> None:
    bias = call.args[2]
    call.out.copy_(bias.view(1, -1, *[1] * (call.out.dim() - 2)).expand_as(call.out))
    call.out[:, :4] = math.nan


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(4, 5)
    model = kit.named(
        conv1=nn.Conv2d(1, width, 3),
        act1=nn.ReLU(),
        conv2=nn.Conv2d(width, 2 * width, 3),
        act2=nn.ReLU(),
        conv3=nn.Conv2d(2 * width, 16, 3),
        act3=nn.ReLU(),
        flat=nn.Flatten(),
        fc=nn.Linear(64, 3),
    )
    optimizer = kit.sgd(model, lr=0.05, momentum=0.9)
    scaler = kit.new_scaler(2.0**10)
    bad = Device(["convolution"], damage, when=shaped(None, 16, None, None), dtypes=HALF)
    return Scenario(
        model,
        optimizer,
        kit.images(30, 6, 1, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy, scaler=scaler, amp=torch.float16),
        Expected(("hardware",), ("forward",), ("conv3",)),
        scaler=scaler,
        device=contextlib.nullcontext if repaired else bad,
    )
