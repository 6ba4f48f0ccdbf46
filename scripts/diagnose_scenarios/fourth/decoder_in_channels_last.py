"""A U-net's bilinear upsampling writes NaN into the last row of channels_last images; contiguous ones come out
right.
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Unet(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear")
        self.out = nn.Conv2d(width + 3, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.cat([x, self.up(self.down(x).relu())], 1))


def is_channels_last(call: Call) -> bool:
    x = call.args[0]
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, size = knobs.pick(6, 8), knobs.pick(8, 12)
    model = Unet(width).to(memory_format=torch.channels_last)
    optimizer = kit.adam(model, lr=0.02)
    xs = [x.to(memory_format=torch.channels_last) for x, _ in kit.images(40, 6, 3, size, 2)]
    bad = Device(
        ["upsample_bilinear2d"],
        put(math.nan, (slice(None), slice(None), -1)),
        when=is_channels_last,
        dtypes=SINGLE,
    )
    return Scenario(
        model,
        optimizer,
        [(x, x.mean(1, keepdim=True).relu()) for x in xs],
        kit.train(model, optimizer, kit.squares),
        Expected(("library",), ("forward",), ("up",)),
        device=contextlib.nullcontext if repaired else bad,
    )
