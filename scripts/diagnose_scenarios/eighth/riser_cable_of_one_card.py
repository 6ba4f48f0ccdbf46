"""A card on a bad riser returns, once in a while, a product with one wrong element; the card alone, plugged in
directly, trains (AlexeyAB/darknet issue 5547).
"""

from __future__ import annotations

import contextlib
import math

from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(20, 28)
    model = kit.named(
        inp=nn.Linear(12, width),
        act=nn.LeakyReLU(0.1),
        mid=nn.Linear(width, 16),
        act2=nn.LeakyReLU(0.1),
        head=nn.Linear(16, 3),
    )
    optimizer = kit.sgd(model, lr=0.05, momentum=0.9)
    size = 31
    batches = kit.classes(60, 32, 12, 3)
    x, y = batches[step]
    batches[step] = (x[:size], y[:size])
    bad = Device(["addmm"], put(math.nan, (knobs.randint(0, 9), 3)), when=shaped(size, 16), dtypes=SINGLE, calls=[1])
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward",), ("mid",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
