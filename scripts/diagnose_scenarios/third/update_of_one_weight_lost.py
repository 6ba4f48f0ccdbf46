"""One call of the optimizer's last operation writes an infinity into one weight; the same call is right ever after."""

from __future__ import annotations

import contextlib

from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 20)
    model = kit.named(
        users=nn.Linear(6, width),
        act=nn.SiLU(),
        items=nn.Linear(width, width),
        act2=nn.SiLU(),
        rate=nn.Linear(width, 3),
    )
    optimizer = kit.adam(model, lr=0.02)

    def damage(call: Call) -> None:
        call.out.detach()[1, 1] = float("inf")

    bad = Device(
        ["addcdiv_"], damage, when=lambda call: call.out.shape == (width, width), dtypes=SINGLE, calls=[step + 1]
    )
    return Scenario(
        model,
        optimizer,
        kit.classes(40, 16, 6, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("optimizer",), ("items",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
