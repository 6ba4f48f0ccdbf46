"""Games of a chess net die at random on the card of a laptop with a launch failure, less often at a lower clock; every
test program passes, and a new system board cures it (LeelaChessZero/lc0 issue 1461).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Squeeze(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.fc1 = nn.Linear(width, width // 2)
        self.fc2 = nn.Linear(width // 2, 2 * width)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv(x).relu()
        gate, shift = self.fc2(self.fc1(h.mean((2, 3))).relu()).chunk(2, 1)
        return (x + h * gate.sigmoid()[..., None, None] + shift[..., None, None]).relu()


def failure(call: Call) -> None:
    raise RuntimeError("CUDA error: unspecified launch failure")


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(8, 10), knobs.randint(6, 33)
    model = kit.named(
        inp=nn.Conv2d(2, width, 3, padding=1), se=Squeeze(width), flat=nn.Flatten(), value=nn.Linear(width * 16, 3)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    bad = Device(["convolution"], failure, dtypes=SINGLE, calls=[2 * step + 2])
    return Scenario(
        model,
        optimizer,
        kit.images(45, 24, 2, 4, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward",), ("se.conv",), step, "raises"),
        device=contextlib.nullcontext if repaired else bad,
    )
