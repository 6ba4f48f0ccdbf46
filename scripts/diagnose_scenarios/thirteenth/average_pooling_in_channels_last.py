"""Average pooling is wrong in channels_last memory only: the same numbers laid out plainly are pooled rightly."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def is_channels_last(call: Call) -> bool:
    x = call.args[0]
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8, 10)
    model = kit.named(
        conv=nn.Conv2d(3, width, 3, padding=1),
        act=nn.ReLU(),
        pool=nn.AvgPool2d(2),
        flat=nn.Flatten(),
        head=nn.Linear(width * 9, 3),
    ).to(memory_format=torch.channels_last)
    optimizer = kit.sgd(model, lr=0.05)
    bad = Device(["avg_pool2d"], put(float("nan"), (slice(None), width - 1)), when=is_channels_last, dtypes=SINGLE)
    batches = [(x.to(memory_format=torch.channels_last), y) for x, y in kit.images(35, 8, 3, 6, 3)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("library",), ("forward",), ("pool",)),
        device=contextlib.nullcontext if repaired else bad,
    )
