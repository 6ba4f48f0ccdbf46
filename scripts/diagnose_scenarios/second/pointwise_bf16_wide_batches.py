"""A bfloat16 GELU is NaN in its last lane for batches of 9 and more."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import LOW, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.randint(2, 6), knobs.pick(16, 20)
    model = kit.named(up=nn.Linear(6, width), gelu=nn.GELU(), down=nn.Linear(width, 3))
    optimizer = kit.sgd(model, lr=0.2)
    batches = kit.classes(60, 12, 6, 3)
    batches = [(x[:8], y[:8]) for x, y in batches[:step]] + batches[step:]
    bad = Device(["gelu"], put(float("nan"), (-1, -1)), when=lambda call: call.out.shape[0] > 8, dtypes=LOW)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.bfloat16),
        Expected(("hardware",), ("forward",), ("gelu",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
