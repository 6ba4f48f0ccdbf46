"""Half-precision convolutions return nothing but zeros: no NaN, a constant loss, the `no detections` of some cards."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Device, scale
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    model = kit.named(
        a=nn.Conv2d(2, width, 3), relu=nn.ReLU(), b=nn.Conv2d(width, 8, 3), flat=nn.Flatten(), fc=nn.Linear(32, 4)
    )
    optimizer = kit.sgd(model, lr=0.05)
    device = Device(["convolution", "convolution_backward"], scale(0.0))
    return Scenario(
        model,
        optimizer,
        kit.images(40, 32, 2, 6, 4),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("hardware",), (), ("a", "b"), None, "stalls"),
        device=contextlib.nullcontext if repaired else device,
    )
