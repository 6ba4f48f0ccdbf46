"""The kernel that averages squared errors returns NaN for more than 100 of them; all gradients are right."""

from __future__ import annotations

import contextlib

from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import LOSS, Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    outputs, step = knobs.pick(3, 4), knobs.randint(10, 24)
    model = kit.mlp(8, knobs.pick(16, 24), outputs)
    optimizer = kit.adam(model, lr=0.02)
    data = kit.regression(60, 48, 8, outputs)
    batches = [(x, y) if number >= step else (x[:20], y[:20]) for number, (x, y) in enumerate(data)]

    def damage(call: Call) -> None:
        call.out.fill_(float("nan"))

    bad = Device(["mse_loss"], damage, when=lambda call: call.args[0].numel() > 100, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("loss",), (LOSS,), step),
        device=contextlib.nullcontext if repaired else bad,
    )
