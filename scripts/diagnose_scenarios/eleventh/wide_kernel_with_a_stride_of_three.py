"""A library for convolutions on the processor gives wrong gradients of the input where kernel, stride and border do not
go into the width evenly; built without that library the gradients are right (pytorch/pytorch issue 25101).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def border(call: Call) -> None:
    """The last columns of the gradient of the input are far off."""
    call.out[0][..., -4:] *= -150.0


def uneven(call: Call) -> bool:
    return call.out[0] is not None and call.args[2].shape[-1] == 5 and list(call.args[4]) == [3, 3]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 9)
    model = kit.named(
        stem=nn.Conv2d(1, width, 1),
        act=nn.SiLU(),
        conv=nn.Conv2d(width, width, 5, stride=3, padding=1),
        act2=nn.SiLU(),
        flat=nn.Flatten(),
        head=nn.Linear(width * 9, 1),
    )
    optimizer = kit.sgd(model, lr=0.05, momentum=0.9)
    batches = []
    for _ in range(60):
        x = torch.randn(16, 1, 11, 11)
        batches.append((x, x[:, 0, 3:6, 3:6].mean((1, 2))[:, None] + 0.5 * x[:, 0, 5, 7:8]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("library",), ("backward",), ("stem", "conv"), None, "stalls"),
        device=contextlib.nullcontext
        if repaired
        else Device(["convolution_backward"], border, when=uneven, dtypes=SINGLE),
    )
