"""The device returns NaN in one element of one single float16 matrix product, and never again."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Device, put, shaped
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(knobs.pick(8, 12, 16), knobs.pick(16, 24, 32), 4)
    optimizer = kit.sgd(model, lr=0.1)
    step = knobs.randint(2, 8)
    bad = Device(["addmm"], put(knobs.pick(float("nan"), float("inf"))), when=shaped(None, 4), calls=[step + 1])
    return Scenario(
        model,
        optimizer,
        kit.classes(30, knobs.pick(8, 16), model.inp.in_features, 4),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("hardware",), ("forward",), ("head",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
