"""The vendor's convolution backward is wrong in the build that is installed; without the vendor's kernels it is right
(as in google-research/l2p issue 24, solved by installing the library anew).
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    model = kit.named(patch=nn.Conv2d(1, width, 2, stride=2), act=nn.GELU(), mix=nn.Conv2d(width, width, 3, padding=1))
    model.add_module("flat", nn.Flatten())
    model.add_module("head", nn.Linear(width * 16, 4))
    optimizer = kit.adam(model, lr=0.005)

    def is_vendors(call: Call) -> bool:
        vendor = torch.backends.cudnn.enabled and torch.backends.mkldnn.enabled
        return vendor and call.outputs[-2].dim() == 4 and call.outputs[-2].shape[-1] == 3

    bad = Device(["convolution_backward"], put(math.nan, (1, 1), -2), when=is_vendors, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        kit.images(40, 16, 1, 8, 4),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("library",), ("backward",), ("mix",), 0),
        device=contextlib.nullcontext if repaired else bad,
    )
