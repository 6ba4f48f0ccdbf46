"""The backward kernel of log_softmax gives minus half of the right gradient: everything is finite and the loss
rises.
"""

from __future__ import annotations

import contextlib

from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, scale
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    count = knobs.pick(4, 6)
    model = kit.named(
        stem=nn.Conv2d(1, 6, 3), act=nn.ReLU(), flat=nn.Flatten(), norm=nn.LayerNorm(96), head=nn.Linear(96, count)
    )
    optimizer = kit.sgd(model, lr=knobs.pick(0.1, 0.15))
    bad = Device(["_log_softmax_backward_data"], scale(-0.5), dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        kit.images(50, 16, 1, 6, count),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("backward",), (LOSS,), None, "diverges"),
        device=contextlib.nullcontext if repaired else bad,
    )
