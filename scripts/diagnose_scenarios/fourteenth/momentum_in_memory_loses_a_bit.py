"""A bit of the optimizer's stored momentum flips once: the update of one weight is wrong by thirty orders of
magnitude.
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, shaped
from diagnose_scenarios.scenario import Expected, Scenario


def flip(call: Call) -> None:
    call.out.view(-1)[0].view(torch.int32).bitwise_xor_(1 << 30)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(14, 18), knobs.step()
    model = kit.mlp(6, width, 5)
    optimizer = kit.sgd(model, lr=0.02, momentum=0.9, foreach=False)
    bad = Device(["mul_"], flip, when=shaped(5, width), dtypes=SINGLE, calls=[step])
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 16, 6, 5),
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("optimizer",), ("<optimizer>", "head"), None),
        device=contextlib.nullcontext if repaired else bad,
    )
