"""The device computes the bfloat16 product that carries the gradient back through fc2 as NaN, in batches of 24 or more.

The forward pass and every weight gradient are right; smaller batches are right as well.
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    first, second, step = knobs.pick(28, 36), knobs.pick(10, 14), knobs.randint(8, 20)
    model = kit.named(
        fc1=nn.Linear(9, first), act1=nn.ReLU(), fc2=nn.Linear(first, second), act2=nn.ReLU(), head=nn.Linear(second, 3)
    )
    optimizer = kit.sgd(model, lr=0.1)
    bad = Device(
        ["mm"],
        put(float("nan"), (knobs.randint(0, 23), slice(None))),
        when=lambda call: call.out.shape[0] in (24, 32) and call.out.shape[1] == first,
        dtypes=(torch.bfloat16,),
    )
    data = kit.classes(40, knobs.pick(24, 32), 9, 3)
    batches = [(x[:16], y[:16]) if number < step else (x, y) for number, (x, y) in enumerate(data)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.bfloat16),
        Expected(("hardware",), ("backward",), ("fc2",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
