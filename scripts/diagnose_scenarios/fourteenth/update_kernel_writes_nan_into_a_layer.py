"""The kernel of Adam's last operation writes NaN into one weight of one layer once: gradients and states are right."""

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
    width, step = knobs.pick(18, 22), knobs.step()
    model = kit.named(
        first=nn.Linear(7, width), act1=nn.ELU(), middle=nn.Linear(width, 9), act2=nn.ELU(), last=nn.Linear(9, 1)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, foreach=False)
    bad = Device(["addcdiv_"], put(math.nan, (4, 2)), when=shaped(9, width), dtypes=SINGLE, calls=[step + 1])
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 16, 7),
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("optimizer",), ("<optimizer>", "middle"), step),
        device=contextlib.nullcontext if repaired else bad,
    )
