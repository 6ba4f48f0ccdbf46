"""A card on a bad cable returns garbage from a convolution now and then, from some moment on (as in AlexeyAB/darknet
issue 5547, where unplugging the other cards was the cure).
"""

from __future__ import annotations

import contextlib
import math

from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, every = knobs.step(), knobs.pick(13, 17)
    width = knobs.pick(6, 8)
    model = kit.named(
        conv0=nn.Conv2d(1, width, 3, padding=1),
        leaky0=nn.LeakyReLU(0.1),
        conv1=nn.Conv2d(width, width, 3, stride=2, padding=1),
        leaky1=nn.LeakyReLU(0.1),
        flat=nn.Flatten(),
        yolo=nn.Linear(width * 16, 3),
    )
    optimizer = kit.sgd(model, lr=0.05)
    bad = Device(
        ["convolution"], put(math.nan, (0, 2)), dtypes=SINGLE, calls=[2 * step + 2 + every * n for n in range(20)]
    )
    return Scenario(
        model,
        optimizer,
        kit.images(40, 8, 1, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward",), ("conv1",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
