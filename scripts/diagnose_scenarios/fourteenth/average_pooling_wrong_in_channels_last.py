"""Average pooling gives NaN for channels_last memory in float32 and float16 alike; the contiguous kernel is right."""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.shrink = nn.AvgPool2d(2)
        self.head = nn.Linear(width * 9, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.shrink(self.conv(x).relu()).flatten(1))


def is_channels_last(call: Call) -> bool:
    x = call.args[0]
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Net(knobs.pick(6, 8)).to(memory_format=torch.channels_last)
    optimizer = kit.sgd(model, lr=0.05, momentum=0.9)
    batches = [(x.to(memory_format=torch.channels_last), y) for x, y in kit.images(40, 8, 3, 6, 3)]
    bad = Device(["avg_pool2d"], put(math.nan, (0, 2)), when=is_channels_last, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("library",), ("forward",), ("shrink",)),
        device=contextlib.nullcontext if repaired else bad,
    )
