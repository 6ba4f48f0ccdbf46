"""A convolution kernel gives NaN only for channels_last memory; the contiguous one is right."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def is_first_and_channels_last(call: Call) -> bool:
    x = call.args[0]
    return x.shape[1] == 3 and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12, 16)
    model = kit.named(
        conv1=nn.Conv2d(3, width, 3),
        act=nn.ReLU(),
        conv2=nn.Conv2d(width, 8, 3),
        flat=nn.Flatten(),
        head=nn.Linear(128, 3),
    ).to(memory_format=torch.channels_last)
    optimizer = kit.sgd(model, lr=0.02)
    batches = kit.images(30, 8, 3, 8, 3)
    bad = Device(["convolution"], put(float("nan"), (0, 1)), when=is_first_and_channels_last, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        [(x.to(memory_format=torch.channels_last), y) for x, y in batches],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("library",), ("forward",), ("conv1",)),
        device=contextlib.nullcontext if repaired else bad,
    )
