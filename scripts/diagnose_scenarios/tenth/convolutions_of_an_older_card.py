"""A small convolutional net does not converge on one generation of cards and does on the next: the gradients of its
filters are finite and have nothing to do with the pictures (ROCm/tensorflow-upstream issue 432).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def shuffled(call: Call) -> None:
    grad = call.out[1]
    grad.copy_(grad.flip(0, 2, 3) / 2)


def filters(call: Call) -> bool:
    return call.out[1] is not None and call.args[2].shape[-1] == 3


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    model = kit.named(
        conv1=nn.Conv2d(1, width, 3, padding=1),
        act1=nn.ReLU(),
        conv2=nn.Conv2d(width, width, 3, padding=1),
        act2=nn.ReLU(),
        pool=nn.AdaptiveMaxPool2d(1),
        flat=nn.Flatten(),
        head=nn.Linear(width, 3),
    )
    model.head.requires_grad_(False)
    with torch.no_grad():
        model.head.weight.mul_(1.5)
        model.head.bias.zero_()
    optimizer = kit.sgd(model, lr=0.1)
    patterns = torch.randn(3, 1, 8, 8)
    batches = []
    for _ in range(60):
        y = torch.randint(3, (32,))
        batches.append((patterns[y] + 0.3 * torch.randn(32, 1, 8, 8), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("backward",), ("conv1", "conv2"), 0, "stalls"),
        device=contextlib.nullcontext
        if repaired
        else Device(["convolution_backward"], shuffled, when=filters, dtypes=SINGLE),
    )
