"""Joining two channels_last branches along the channels leaves a part unwritten; contiguous branches are joined
rightly (pytorch/pytorch issue 89353).
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Inception(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.small = nn.Conv2d(inputs, width, 1)
        self.large = nn.Conv2d(inputs, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.small(x), self.large(x)], 1)


def all_last(call: Call) -> bool:
    parts = call.args[0]
    return all(
        x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous() for x in parts
    )


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(4, 5), knobs.step()
    model = kit.named(mix=Inception(2, width), act=nn.ReLU(), out=nn.Conv2d(2 * width, 2, 1))
    optimizer = kit.sgd(model, lr=0.3, momentum=0.9)
    bad = Device(["cat"], put(math.nan, (slice(None), -1, 0, 0)), when=all_last, dtypes=SINGLE)
    batches = []
    for number in range(40):
        x = torch.randn(4, 2, 7, 7)
        y = (x[:, 0] > x[:, 1]).long()
        batches.append((x.to(memory_format=torch.channels_last) if number >= step else x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, nn.functional.cross_entropy),
        Expected(("library",), ("forward",), ("mix",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
