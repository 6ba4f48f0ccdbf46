"""The last kernel of Adam, the division by the root, writes NaN into one weight at one step; forward and backward
are right.
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(11, 13), knobs.step()
    model = kit.named(a=nn.Linear(8, 20), g1=nn.GELU(), b=nn.Linear(20, width), g2=nn.GELU(), c=nn.Linear(width, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, foreach=False)
    bad = Device(["addcdiv_"], put(math.nan, (3, 5)), when=shaped(width, 20), dtypes=SINGLE, calls=[step + 1])
    return Scenario(
        model,
        optimizer,
        kit.regression(50, 24, 8),
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("optimizer",), ("b", "<optimizer>"), step),
        device=contextlib.nullcontext if repaired else bad,
    )
