"""One float16 product in a few dozen is NaN, from a certain call on: a failing card."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, every = knobs.randint(3, 6), knobs.pick(17, 23, 29)
    model = kit.named(first=nn.Linear(8, 20), relu=nn.ReLU(), last=nn.Linear(20, 3))
    optimizer = kit.sgd(model, lr=0.1)
    calls = [2 * step + 2 + every * number for number in range(50)]
    bad = Device(["addmm"], put(float("nan"), (1, 1)), calls=calls)
    return Scenario(
        model,
        optimizer,
        kit.classes(40, 16, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("hardware",), ("forward",), ("last",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
