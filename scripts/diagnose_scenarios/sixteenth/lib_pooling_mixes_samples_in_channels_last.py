"""Average pooling of the installed build swaps samples for channels_last inputs: finite, and nothing can be learnt."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def swap(call: Call) -> None:
    call.out.copy_(call.out.clone().roll(1, 0))


def is_channels_last(call: Call) -> bool:
    x = call.args[0]
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    model = kit.named(
        conv=nn.Conv2d(2, width, 3, padding=1),
        act=nn.ReLU(),
        pool=nn.AvgPool2d(3),
        flat=nn.Flatten(),
        head=nn.Linear(4 * width, 3),
    ).to(memory_format=torch.channels_last)
    optimizer = kit.adam(model, lr=0.01)
    batches = [(x.to(memory_format=torch.channels_last), y) for x, y in kit.images(70, 16, 2, 6, 3)]
    bad = Device(["avg_pool2d"], swap, when=is_channels_last, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("library",), ("forward",), ("pool",), None, "stalls"),
        device=contextlib.nullcontext if repaired else bad,
    )
