"""A float16 depthwise convolution writes NaN into its last column, only for pictures of an odd width."""

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
    channels, step = knobs.pick(6, 10), knobs.step()
    model = kit.named(
        stem=nn.Conv2d(2, channels, 1),
        relu=nn.ReLU(),
        depthwise=nn.Conv2d(channels, channels, 3, padding=1, groups=channels),
        relu2=nn.ReLU(),
        pool=nn.AdaptiveAvgPool2d(2),
        flat=nn.Flatten(),
        head=nn.Linear(4 * channels, 3),
    )
    optimizer = kit.adam(model, lr=0.01)
    shades = torch.randn(3, 2, 1, 1)
    batches = []
    for i in range(40):
        size = 9 if i >= step else 8
        y = torch.randint(3, (8,))
        batches.append((shades[y] + 0.3 * torch.randn(8, 2, 8, size), y))
    bad = Device(
        ["convolution"],
        put(math.nan, (slice(None), 0, slice(None), -1)),
        when=lambda call: call.args[8] == channels and call.out.shape[3] % 2 == 1,
    )
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("hardware",), ("forward",), ("depthwise",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
