"""The gradient of max pooling comes back NaN for maps with an odd side, which only every now and then reach the net."""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(self.conv(x)).mean((2, 3)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model, step = Net(knobs.pick(6, 9)), knobs.step()
    optimizer = kit.adam(model, lr=0.03)
    batches = []
    for i in range(50):
        side, label = (9 if i == step else knobs.pick(8, 10)), torch.randint(3, (8,))
        batches.append((torch.rand(8, 1, side, side) + label[:, None, None, None], label))
    bad = Device(
        ["max_pool2d_with_indices_backward"],
        put(math.nan, (0, 1)),
        when=lambda call: call.out.shape[-1] % 2 == 1,
        dtypes=SINGLE,
    )
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("backward",), ("pool",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
