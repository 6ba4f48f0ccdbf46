"""The group norm of the installed build gives NaN for inputs in channels_last memory; contiguous ones are right."""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.gn = nn.GroupNorm(groups, width)
        self.head = nn.Linear(width * 9, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.gn(self.stem(x)))
        return self.head(nn.functional.avg_pool2d(h, 2).flatten(1))


def is_channels_last(call: Call) -> bool:
    x = call.args[0]
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    groups = knobs.pick(2, 4)
    model = Net(groups * knobs.pick(3, 4), groups).to(memory_format=torch.channels_last)
    optimizer = kit.adam(model, lr=0.01)
    batches = [(x.to(memory_format=torch.channels_last), y) for x, y in kit.images(40, 8, 3, 6, 3)]
    bad = Device(["native_group_norm"], put(math.nan, (0, 1)), when=is_channels_last, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("library",), ("forward",), ("gn",)),
        device=contextlib.nullcontext if repaired else bad,
    )
