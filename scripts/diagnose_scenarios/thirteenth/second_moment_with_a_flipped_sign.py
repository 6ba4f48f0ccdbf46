"""The sign bit of one of Adam's second moments flips once: the root of a negative number makes a weight NaN."""

from __future__ import annotations

import contextlib

from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, shaped
from diagnose_scenarios.scenario import Expected, Scenario

from hwcompat.replay.finding import OPTIMIZER


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(16, 24)
    model = kit.mlp(8, width, 3)
    optimizer = kit.adam(model, lr=0.02)

    def damage(call: Call) -> None:
        call.out.view(-1)[call.out.argmax()].neg_()

    bad = Device(["addcmul_"], damage, when=shaped(3, width), dtypes=SINGLE, calls=[step + 1])
    return Scenario(
        model,
        optimizer,
        kit.classes(50, 24, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("optimizer",), (OPTIMIZER, "head"), step),
        device=contextlib.nullcontext if repaired else bad,
    )
