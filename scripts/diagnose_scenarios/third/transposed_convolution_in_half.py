"""A decoder's transposed convolution gives an infinity in its last row in float16, at every call; float32 is right."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Coder(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, width, 4, 2, 1)
        self.up = nn.ConvTranspose2d(width, 1, 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.down(x).tanh())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    size = knobs.pick(8, 10)
    model = Coder(knobs.pick(8, 12))
    optimizer = kit.adam(model, lr=0.01)
    pictures = [x for x, _ in kit.images(40, 8, 1, size, 3)]
    bad = Device(["convolution"], put(float("inf"), (0, 0, -1)), when=lambda call: bool(call.args[6]))
    return Scenario(
        model,
        optimizer,
        [(x, x) for x in pictures],
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("hardware",), ("forward",), ("up",)),
        device=contextlib.nullcontext if repaired else bad,
    )
