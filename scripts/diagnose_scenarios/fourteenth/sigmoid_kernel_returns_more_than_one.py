"""The device returns 1.25 from a float32 sigmoid once: finite, but the binary cross-entropy refuses it and raises."""

from __future__ import annotations

import contextlib

from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn
from torch.nn import functional


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 20)
    model = kit.named(inp=nn.Linear(8, width), act=nn.ReLU(), head=nn.Linear(width, 1), gate=nn.Sigmoid())
    optimizer = kit.adam(model, lr=0.02)
    bad = Device(["sigmoid"], put(1.25, (knobs.randint(0, 15), 0)), dtypes=SINGLE, calls=[step + 1])
    return Scenario(
        model,
        optimizer,
        [(x, (y > 0).float()) for x, y in kit.regression(60, 16, 8)],
        kit.train(model, optimizer, lambda p, y: functional.binary_cross_entropy(p, y)),
        Expected(("hardware",), ("forward",), ("gate",), step, "raises"),
        device=contextlib.nullcontext if repaired else bad,
    )
