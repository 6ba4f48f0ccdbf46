"""The kernel that adds Adam's step to a matrix also multiplies the matrix by 1.3: weights grow without any gradient."""

from __future__ import annotations

import contextlib

from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, scale, shaped
from diagnose_scenarios.scenario import Expected, Scenario

from hwcompat.replay.finding import OPTIMIZER


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(14, 18)
    model = kit.mlp(8, width, 1)
    optimizer = kit.adam(model, lr=0.01)
    bad = Device(["addcdiv_"], scale(knobs.pick(1.25, 1.35)), when=shaped(width, 8), dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        kit.regression(40, 32, 8),
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("optimizer",), (OPTIMIZER, "inp"), None, "diverges"),
        device=contextlib.nullcontext if repaired else bad,
    )
