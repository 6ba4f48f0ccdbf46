"""The log-softmax inside the loss has a NaN row whenever there are 33 classes or more, from the first step."""

from __future__ import annotations

import contextlib
import math

from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import LOSS, Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    count = knobs.pick(33, 40)
    model = kit.mlp(16, knobs.pick(32, 40), count)
    optimizer = kit.adam(model, lr=0.01)
    bad = Device(
        ["_log_softmax"],
        put(math.nan, knobs.randint(0, 15)),
        when=lambda call: call.out.shape[1] > 32,
        dtypes=SINGLE,
    )
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 16, 16, count),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("loss",), (LOSS,)),
        device=contextlib.nullcontext if repaired else bad,
    )
