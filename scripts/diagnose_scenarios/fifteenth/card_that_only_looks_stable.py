"""A card with a raised clock is stable in games and stops this program; a clock that is not stable everywhere is not
stable (nagadomi/waifu2x issue 268).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(10, 35)
    model = kit.named(
        up=nn.ConvTranspose2d(1, 8, 2, stride=2), act=nn.LeakyReLU(0.1), out=nn.Conv2d(8, 1, 3, padding=1)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def stop(call: Call) -> None:
        raise RuntimeError("CUDA error: an illegal instruction was encountered")

    batches = []
    for _ in range(45):
        small = torch.rand(6, 1, 4, 4)
        batches.append((small, 2 * small.repeat_interleave(2, 2).repeat_interleave(2, 3)))
    bad = Device(["leaky_relu"], stop, dtypes=SINGLE, calls=[step + 1])
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("forward",), ("act",), step, "raises"),
        device=contextlib.nullcontext if repaired else bad,
    )
