"""Float32 weight gradients of one shape come back minus twice too large: the head on a frozen trunk walks uphill."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, scale, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, outputs = knobs.pick(10, 14), knobs.pick(3, 5)
    model = kit.named(
        one=nn.Linear(7, 19), a=nn.Tanh(), two=nn.Linear(19, width), b=nn.Tanh(), three=nn.Linear(width, outputs)
    )
    for frozen in (model.one, model.two):
        frozen.requires_grad_(False)
    optimizer = torch.optim.SGD(model.three.parameters(), lr=knobs.pick(0.15, 0.25))
    bad = Device(["mm"], scale(-2.0), when=shaped(outputs, width), dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 16, 7, outputs),
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("backward",), ("three",), None, "diverges"),
        device=contextlib.nullcontext if repaired else bad,
    )
