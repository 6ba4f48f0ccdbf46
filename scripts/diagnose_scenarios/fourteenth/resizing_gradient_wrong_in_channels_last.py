"""The gradient of bilinear resizing is NaN in channels_last memory only: a segmentation net dies in its first
backward.
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn
from torch.nn import functional


class Segmenter(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.enc = nn.Conv2d(1, width, 3, stride=2, padding=1)
        self.resize = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.out = nn.Conv2d(width, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.resize(self.enc(x).relu()))


def is_channels_last(call: Call) -> bool:
    grad = call.args[0]
    return grad.is_contiguous(memory_format=torch.channels_last) and not grad.is_contiguous()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Segmenter(knobs.pick(5, 7)).to(memory_format=torch.channels_last)
    optimizer = kit.adam(model, lr=0.03)
    pictures = [x.to(memory_format=torch.channels_last) for x, _ in kit.images(50, 4, 1, 8, 3)]
    bad = Device(["upsample_bilinear2d_backward"], put(math.nan, (1, 0)), when=is_channels_last, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        [(x, (functional.avg_pool2d(x, 3, 1, 1)[:, 0] > 0).long()) for x in pictures],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("library",), ("backward",), ("resize",)),
        device=contextlib.nullcontext if repaired else bad,
    )
