"""On one integrated graphics chip a convolution with kernels of one pixel returns wrong numbers without any error; on
other machines the same page computes well (tensorflow/tfjs issue 1735).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def mixed_up(call: Call) -> None:
    call.out.copy_(call.out.roll(1, 0))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 10)
    model = kit.named(
        spatial=nn.Conv2d(2, width, 3, padding=1),
        act1=nn.ReLU(),
        point=nn.Conv2d(width, width, 1),
        act2=nn.ReLU(),
        head=nn.Conv2d(width, 1, 3, padding=1),
    )
    optimizer = kit.sgd(model, lr=knobs.pick(0.03, 0.05))
    bad = Device(
        ["convolution"],
        mixed_up,
        when=lambda call: call.args[1].dim() == 4 and call.args[1].shape[-1] == 1,
        dtypes=SINGLE,
    )
    batches = []
    for _ in range(50):
        x = torch.randn(8, 2, 8, 8)
        batches.append((x, x[:, :1] * 2 - x[:, 1:]))
    for name in ("spatial", "point"):
        getattr(model, name).bias.data.zero_()
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("forward",), ("point",), 0, "stalls"),
        device=contextlib.nullcontext if repaired else bad,
    )
