"""The device's sum over the rows of a matrix comes back negated and too large: every bias walks away from its optimum.

Nothing is infinite for a long time; only the bias gradients are wrong.
"""

from __future__ import annotations

import contextlib

from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, scale
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 20)
    model = kit.mlp(7, width, 2)
    optimizer = kit.sgd(model, lr=knobs.pick(0.04, 0.06))
    bad = Device(["sum"], scale(-knobs.pick(2.0, 3.0)), when=lambda call: call.args[0].dim() == 2, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        [(x, y + 1.5) for x, y in kit.regression(30, 24, 7, 2)],
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("backward",), ("inp", "head"), None, "diverges"),
        device=contextlib.nullcontext if repaired else bad,
    )
