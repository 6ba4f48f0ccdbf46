"""The input gradient of one convolution shape holds an infinity in every step; the forward pass is right."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def damage(call: Call) -> None:
    call.out[0][:, 1] = float("inf")


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 10)
    model = kit.named(
        down1=nn.Conv2d(2, width, 3),
        relu1=nn.ReLU(),
        down2=nn.Conv2d(width, 12, 3),
        flat=nn.Flatten(),
        fc=nn.Linear(48, 3),
    )
    optimizer = kit.sgd(model, lr=0.03)
    bad = Device(["convolution_backward"], damage, when=lambda call: call.args[2].shape[0] == 12)
    return Scenario(
        model,
        optimizer,
        kit.images(40, 16, 2, 6, 3),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("hardware",), ("backward",), ("down2",)),
        device=contextlib.nullcontext if repaired else bad,
    )
