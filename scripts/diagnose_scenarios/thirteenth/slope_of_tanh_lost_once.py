"""The backward kernel of tanh writes NaN into one row of one step in float16; the run never sees it again."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import HALF, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(12, 16, 20), knobs.step()
    model = kit.named(fc1=nn.Linear(6, width), act=nn.Tanh(), fc2=nn.Linear(width, 1))
    optimizer = kit.sgd(model, lr=0.1, momentum=0.5)
    bad = Device(["tanh_backward"], put(float("nan"), (knobs.randint(0, 15),)), dtypes=HALF, calls=[step + 1])
    return Scenario(
        model,
        optimizer,
        kit.regression(50, 16, 6),
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("hardware",), ("backward",), ("act",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
