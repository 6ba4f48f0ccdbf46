"""On two newly bought cards the same code ends with less than half of the accuracy that it has on every other card; it
runs through without any error (BVLC/caffe issue 4867).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def swapped(call: Call) -> None:
    """Each picture gets the maps of its neighbour."""
    call.out.copy_(call.out.roll(1, 0))


def wide(call: Call) -> bool:
    return call.args[1].shape[-1] == 5


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    model = kit.named(
        conv1=nn.Conv2d(3, width, 3, padding=1),
        relu1=nn.ReLU(),
        conv2=nn.Conv2d(width, width, 5, padding=2),
        relu2=nn.ReLU(),
        pool=nn.AdaptiveAvgPool2d(2),
        flat=nn.Flatten(),
        hash=nn.Linear(4 * width, 12),
        act=nn.Tanh(),
        score=nn.Linear(12, 4),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    return Scenario(
        model,
        optimizer,
        kit.images(60, 16, 3, 8, 4),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward",), ("conv2",), 0, "stalls"),
        device=contextlib.nullcontext if repaired else Device(["convolution"], swapped, when=wide, dtypes=SINGLE),
    )
