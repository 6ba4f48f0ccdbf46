"""The device computes float16 products of one shape as NaN, which meets only the weight gradient of one layer."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Device, put, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, narrow = knobs.pick(24, 32), knobs.pick(10, 14)
    model = kit.named(
        fc1=nn.Linear(8, width), act1=nn.ReLU(), fc2=nn.Linear(width, narrow), act2=nn.ReLU(), head=nn.Linear(narrow, 3)
    )
    optimizer = kit.sgd(model, lr=0.1)
    bad = Device(["mm"], put(knobs.pick(float("nan"), float("inf"))), when=shaped(narrow, width))
    return Scenario(
        model,
        optimizer,
        kit.classes(40, 16, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("hardware",), ("backward",), ("fc2",)),
        device=contextlib.nullcontext if repaired else bad,
    )
