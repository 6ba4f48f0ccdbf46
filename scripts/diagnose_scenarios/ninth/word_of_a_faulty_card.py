"""One card of a model returns, now and then, a single wrong word from a float16 product; another card in the same slot
with the same libraries never does (ROCm/rocm-libraries issue 12344).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import HALF, Device, put, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(24, 32)
    model = kit.named(
        up=nn.Linear(10, width),
        act=nn.ReLU(),
        down=nn.Linear(width, 20),
        act2=nn.ReLU(),
        head=nn.Linear(20, 2),
    )
    optimizer = kit.sgd(model, lr=0.05, momentum=0.9)
    wrong = Device(
        ["addmm"],
        put(knobs.pick(58000.0, 61000.0), (knobs.randint(0, 15), knobs.randint(0, 19))),
        when=shaped(16, 20),
        dtypes=HALF,
        calls=[step + 1],
    )
    return Scenario(
        model,
        optimizer,
        kit.regression(50, 16, 10, 2),
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("hardware",), ("forward",), ("down",), step),
        device=contextlib.nullcontext if repaired else wrong,
    )
