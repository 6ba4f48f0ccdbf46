"""A sigmoid inside a recurrent cell, in float32, returns one NaN in one call out of hundreds."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Cell(nn.Module):
    """A minimal gated unit."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(inputs + width, width)
        self.new = nn.Linear(inputs + width, width)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        both = torch.cat([x, h], -1)
        open_ = torch.sigmoid(self.gate(both))
        return open_ * h + (1 - open_) * torch.tanh(self.new(both))


class Net(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.cell = Cell(inputs, width)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(x.shape[0], self.width)
        for step in range(x.shape[1]):
            h = self.cell(x[:, step], h)
        return self.head(h)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, length = knobs.step(), knobs.pick(8, 10)
    model = Net(4, knobs.pick(12, 16))
    optimizer = kit.adam(model, lr=0.02)
    call = step * length + knobs.randint(1, length)
    bad = Device(["sigmoid"], put(float("nan"), (1, 2)), dtypes=SINGLE, calls=[call])
    batches = [(x, x[:, -2:, 0].sum(1, keepdim=True)) for x, _ in kit.sequences(40, 8, length, 4)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("forward",), ("cell",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
