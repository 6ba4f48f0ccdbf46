"""A float16 3x3 convolution gives NaN in channels 0 to 15 and right values elsewhere, for batches of 7 and more."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, width, 3, padding=1)
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv2(self.conv1(x).relu()).relu().mean((2, 3)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, size, step = knobs.pick(24, 32), knobs.pick(6, 8), knobs.randint(0, 4)
    model = Net(width)
    optimizer = kit.adam(model, lr=0.02)
    small, large = kit.images(step, 4, 3, size, 3), kit.images(40 - step, knobs.pick(7, 8), 3, size, 3)
    colours = torch.randn(3, 3, 1, 1)
    batches = [(colours[y] + 0.3 * torch.randn_like(x), y) for x, y in small + large]
    bad = Device(
        ["convolution"],
        put(float("nan"), (slice(None), slice(0, 16))),
        when=lambda call: call.out.shape[0] >= 7 and call.out.shape[1] == width,
    )
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("hardware",), ("forward",), ("conv2",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
