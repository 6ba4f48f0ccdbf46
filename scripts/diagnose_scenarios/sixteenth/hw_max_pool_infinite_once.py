"""A max pooling kernel returns infinity in one corner at one step; the picture, the layer and the next step are
sound.
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(6, 9), knobs.step()
    model = kit.named(
        conv=nn.Conv2d(3, width, 3, padding=1),
        act=nn.LeakyReLU(0.1),
        pool=nn.MaxPool2d(2),
        conv2=nn.Conv2d(width, 8, 3),
        flat=nn.Flatten(),
        head=nn.Linear(32, 4),
    )
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.002)
    bad = Device(["max_pool2d_with_indices"], put(math.inf, (2, 1, 0, 0)), dtypes=SINGLE, calls=[step + 1])
    return Scenario(
        model,
        optimizer,
        kit.images(40, 8, 3, 8, 4),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward",), ("pool",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
