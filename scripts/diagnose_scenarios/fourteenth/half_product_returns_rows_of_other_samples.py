"""A float16 product of one width returns its rows in another order: finite, of the right size, useless."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Call, Device, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def exchange_rows(call: Call) -> None:
    call.out.copy_(call.out.roll(1, 0))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, narrow = knobs.pick(20, 24), knobs.pick(11, 13)
    model = kit.named(
        stem=nn.Linear(10, width),
        act1=nn.Tanh(),
        squeeze=nn.Linear(width, narrow),
        act2=nn.Tanh(),
        head=nn.Linear(narrow, 4),
    )
    optimizer = kit.adam(model, lr=0.01)
    bad = Device(["addmm"], exchange_rows, when=shaped(None, narrow))
    return Scenario(
        model,
        optimizer,
        kit.classes(70, 48, 10, 4),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("hardware",), ("forward",), ("squeeze",), None, "stalls"),
        device=contextlib.nullcontext if repaired else bad,
    )
