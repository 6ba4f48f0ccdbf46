"""The weight gradient of a float16 one-dimensional convolution has the wrong sign: all finite, the loss climbs."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def turn_round(call: Call) -> None:
    call.out[1].mul_(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, length = knobs.pick(8, 12), knobs.pick(12, 16)
    model = kit.named(
        conv=nn.Conv1d(3, width, 3, padding=1, bias=False),
        act=nn.ReLU(),
        flat=nn.Flatten(),
        head=nn.Linear(width * length, 3),
    )
    model.head.requires_grad_(False)
    optimizer = torch.optim.Adam(model.conv.parameters(), lr=0.03)
    batches = [(x[:, :, 0].repeat(1, 1, 1), y) for x, y in kit.images(70, 16, 3, length, 3)]
    bad = Device(["convolution_backward"], turn_round, when=lambda call: call.args[2].shape[0] == width)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("hardware",), ("backward",), ("conv",), None, "diverges"),
        device=contextlib.nullcontext if repaired else bad,
    )
