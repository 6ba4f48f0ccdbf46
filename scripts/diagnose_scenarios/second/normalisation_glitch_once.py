"""A layer norm in float32 comes back with one NaN, once."""

from __future__ import annotations

import contextlib

from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(16, 24)
    model = kit.named(stem=nn.Linear(8, width), ln=nn.LayerNorm(width), relu=nn.ReLU(), out=nn.Linear(width, 1))
    optimizer = kit.adam(model)
    bad = Device(["native_layer_norm"], put(float("nan"), (2, 1)), dtypes=SINGLE, calls=[step + 1])
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 16, 8),
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("forward",), ("ln",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
