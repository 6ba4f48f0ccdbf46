"""The weight gradient of a grouped convolution is infinite for channels_last operands only."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def is_last(x: Any) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3)
        self.grouped = nn.Conv2d(width, width, 3, groups=4)
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.grouped(self.stem(x).relu()).relu().mean((2, 3)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Net(knobs.pick(8, 16)).to(memory_format=torch.channels_last)
    optimizer = kit.adam(model, lr=0.02)
    colours = torch.randn(3, 3, 1, 1)
    batches = [(colours[y] + 0.3 * torch.randn_like(x), y) for x, y in kit.images(30, 8, 3, 8, 3)]

    def hit(call: Call) -> bool:
        return call.args[9] == 4 and is_last(call.args[1])

    bad = Device(["convolution_backward"], put(float("inf"), (0, 0, 1, 1), output=1), when=hit, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        [(x.to(memory_format=torch.channels_last), y) for x, y in batches],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("library",), ("backward",), ("grouped",)),
        device=contextlib.nullcontext if repaired else bad,
    )
