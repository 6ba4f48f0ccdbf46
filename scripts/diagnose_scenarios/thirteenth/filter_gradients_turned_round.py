"""The device returns the weight gradient of a 3 x 3 convolution with the wrong sign: finite, and the loss climbs."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, size = knobs.pick(6, 8), knobs.pick(6, 7)
    model = kit.named(lift=nn.Conv2d(2, width, 1), act=nn.Tanh(), conv=nn.Conv2d(width, 1, 3), flat=nn.Flatten())
    model.lift.requires_grad_(False)
    optimizer = torch.optim.SGD(model.conv.parameters(), lr=knobs.pick(0.04, 0.05))

    def damage(call: Call) -> None:
        call.out[1].neg_()

    bad = Device(
        ["convolution_backward"], damage, when=lambda call: call.args[2].shape[-1] == 3, dtypes=(torch.float32,)
    )
    teacher = torch.randn(1, 2, 3, 3) / 3
    xs = [torch.randn(16, 2, size, size) for _ in range(40)]
    return Scenario(
        model,
        optimizer,
        [(x, nn.functional.conv2d(x, teacher).flatten(1)) for x in xs],
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("backward",), ("conv",), None, "diverges"),
        device=contextlib.nullcontext if repaired else bad,
    )
