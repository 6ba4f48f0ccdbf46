"""One float16 convolution gradient comes back infinite once; the same call is right before and after."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def damage(call: Call) -> None:
    call.out[1].view(-1)[0] = float("inf")


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(8, 12), knobs.step()
    model = kit.named(
        conv1=nn.Conv2d(2, width, 3, padding=1),
        act=nn.ReLU(),
        conv2=nn.Conv2d(width, 6, 3),
        flat=nn.Flatten(),
        head=nn.Linear(6 * 16, 3),
    )
    optimizer = kit.sgd(model, lr=0.05)
    first = (width, 2, 3, 3)
    bad = Device(["convolution_backward"], damage, when=lambda call: call.args[2].shape == first, calls=[step + 1])
    return Scenario(
        model,
        optimizer,
        kit.images(30, 8, 2, 6, 3),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("hardware",), ("backward",), ("conv1",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
