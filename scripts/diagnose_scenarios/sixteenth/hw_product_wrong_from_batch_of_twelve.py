"""A float32 linear layer of one width gives infinity in its last row as soon as the batch holds twelve rows or more."""

from __future__ import annotations

import contextlib
import math

from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(18, 26), knobs.randint(2, 6)
    model = kit.named(
        enter=nn.Linear(7, 16), bend=nn.SiLU(), wide=nn.Linear(16, width), bend2=nn.SiLU(), leave=nn.Linear(width, 2)
    )
    optimizer = kit.sgd(model, lr=0.05, momentum=0.8)
    data = kit.regression(60, knobs.pick(12, 15), 7, 2)
    batches = [(x[:9], y[:9]) if i < step else (x, y) for i, (x, y) in enumerate(data)]
    bad = Device(
        ["addmm"],
        put(-math.inf, (-1, 0)),
        when=lambda call: call.out.shape[0] >= 12 and call.out.shape[1] == width,
        dtypes=SINGLE,
    )
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("forward",), ("wide",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
