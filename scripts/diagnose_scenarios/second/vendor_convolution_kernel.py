"""Convolutions are NaN while the vendor's kernels are on, right with them off."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def vendor_kernels_are_on(call: Call) -> bool:
    return torch.backends.cudnn.enabled and torch._C._get_mkldnn_enabled()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 10)
    model = kit.named(stem=nn.Conv2d(1, width, 3), relu=nn.ReLU(), flat=nn.Flatten(), fc=nn.Linear(width * 16, 3))
    optimizer = kit.sgd(model, lr=0.05)
    bad = Device(["convolution"], put(float("nan"), (0, 0)), when=vendor_kernels_are_on, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        kit.images(40, 8, 1, 6, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("library",), ("forward",), ("stem",)),
        device=contextlib.nullcontext if repaired else bad,
    )
