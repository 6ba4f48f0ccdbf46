"""A machine with a damaged main board: in one step, one product inside Muon's orthogonalisation holds a NaN, and the
weight takes it over (microsoft/dion issue 76).
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import LOW, Device, put, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    model = kit.named(wi=nn.Linear(8, width, bias=False), act=nn.SiLU(), wo=nn.Linear(width, 6, bias=False))
    optimizer = torch.optim.Muon(model.parameters(), lr=0.02, weight_decay=0.0)
    # Of the square 6 x 6 products that only the last weight's orthogonalisation makes, five times a step.
    bad = Device(["mm", "addmm"], put(math.nan, (2, 4)), when=shaped(6, 6), dtypes=LOW, calls=[10 * step + 3])
    return Scenario(
        model,
        optimizer,
        kit.regression(40, 32, 8, 6),
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("optimizer",), ("wo",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
