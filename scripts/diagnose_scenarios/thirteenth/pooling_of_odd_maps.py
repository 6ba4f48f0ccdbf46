"""The device's maximum over windows is NaN in one row for maps of odd height; even ones are pooled rightly."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(6, 8), knobs.randint(8, 20)
    model = kit.named(
        conv=nn.Conv2d(3, width, 3, padding=1),
        act=nn.ReLU(),
        pool=nn.MaxPool2d(2),
        mean=nn.AdaptiveAvgPool2d(1),
        flat=nn.Flatten(),
        head=nn.Linear(width, 3),
    )
    optimizer = kit.adam(model, lr=0.03)
    colours, odd = torch.randn(3, 3, 1, 1), knobs.pick(7, 9)

    def picture(number: int) -> Any:
        y = torch.randint(3, (8,))
        height = odd if number >= step and (number - step) % 3 == 0 else 8
        return colours[y] + 0.3 * torch.randn(8, 3, height, 8), y

    bad = Device(
        ["max_pool2d_with_indices"],
        put(float("nan"), (0, slice(None), 0)),
        when=lambda call: call.args[0].shape[2] % 2 == 1,
        dtypes=SINGLE,
    )
    return Scenario(
        model,
        optimizer,
        [picture(number) for number in range(45)],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward",), ("pool",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
