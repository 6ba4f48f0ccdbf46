"""The convolution kernel for one filter a channel is wrong when dilated; the other algorithm for it is right."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(6, 8), knobs.randint(10, 24)
    model = kit.named(
        lift=nn.Conv2d(2, width, 1),
        act=nn.SiLU(),
        deep=nn.Conv2d(width, width, 3, dilation=2, groups=width, padding=2),
        mean=nn.AdaptiveAvgPool2d(2),
        flat=nn.Flatten(),
        head=nn.Linear(4 * width, 3),
    )
    optimizer = kit.adam(model, lr=0.02)

    def when(call: Call) -> bool:
        return call.args[8] == width and list(call.args[5]) == [2, 2] and call.out.shape[-1] % 4 == 0

    bad = Device(["convolution"], put(float("nan"), (slice(None), 0)), when=when, dtypes=SINGLE)
    colours = torch.randn(3, 2, 1, 1)

    def picture(size: int) -> Any:
        y = torch.randint(3, (8,))
        return colours[y] + 0.4 * torch.randn(8, 2, size, size), y

    return Scenario(
        model,
        optimizer,
        [picture(8 if number >= step else 6) for number in range(45)],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("library",), ("forward",), ("deep",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
