"""The device leaves NaN in the last row of every float16 transposed convolution of an autoencoder's decoder."""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn
from torch.nn import functional


class AutoEncoder(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, width, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(functional.gelu(self.down(x)))


def is_transposed(call: Call) -> bool:
    return bool(call.args[6])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = AutoEncoder(knobs.pick(6, 10))
    optimizer = kit.adam(model, lr=0.02)
    pictures = [x for x, _ in kit.images(50, knobs.pick(6, 8), 1, 8, 2)]
    bad = Device(["convolution"], put(math.nan, (slice(None), slice(None), -1)), when=is_transposed)
    return Scenario(
        model,
        optimizer,
        [(x, x) for x in pictures],
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("hardware",), ("forward",), ("up",)),
        device=contextlib.nullcontext if repaired else bad,
    )
