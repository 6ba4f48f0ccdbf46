"""The reduction that sums the gradient of a bias over the batch comes back negated and three times too large:
finite.
"""

from __future__ import annotations

import contextlib

from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def negate(call: Call) -> None:
    call.out.mul_(-3)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(9, 15)
    model = kit.named(first=nn.Linear(6, width), act=nn.Tanh(), last=nn.Linear(width, 3))
    model.first.requires_grad_(False)
    optimizer = kit.sgd(model, lr=knobs.pick(0.15, 0.2))
    bad = Device(["sum"], negate, when=shaped(1, 3), dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        [(x, y + 1) for x, y in kit.regression(60, 20, 6, 3)],
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("backward",), ("last",), None, "diverges"),
        device=contextlib.nullcontext if repaired else bad,
    )
