"""The in-place addition that SGD updates weights with has the wrong sign on this machine: silent, the loss rises."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, lr = knobs.pick(14, 22), knobs.pick(0.03, 0.05)
    model = kit.named(inp=nn.Linear(5, width), act=nn.Softplus(), out=nn.Linear(width, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, foreach=False)

    def backwards(call: Call) -> None:
        call.out.add_(call.args[1], alpha=2 * lr)

    bad = Device(["add_"], backwards, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 16, 5, 2),
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("optimizer",), ("<optimizer>",), None),
        device=contextlib.nullcontext if repaired else bad,
    )
