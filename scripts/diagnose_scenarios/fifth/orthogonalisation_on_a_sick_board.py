"""Muon's matrix iteration, in bfloat16 within the optimizer's step, once returns a value that is no number, on a
machine whose board was faulty (microsoft/dion issue 76).
"""

from __future__ import annotations

import contextlib
import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(16, 20)
    model = kit.named(wte=nn.Linear(8, width, bias=False), act=nn.Tanh(), mlp=nn.Linear(width, width, bias=False))
    model.add_module("relu", nn.LeakyReLU(0.1))
    model.add_module("head", nn.Linear(width, 3, bias=False))
    optimizer = torch.optim.Muon(model.mlp.parameters(), lr=0.02, weight_decay=0.01)
    other = torch.optim.AdamW([*model.wte.parameters(), *model.head.parameters()], lr=0.01)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        loss = kit.cross_entropy(model(x), y)
        loss.backward()
        for each in (optimizer, other):
            each.step()
            each.zero_grad()
        return loss

    bad = Device(
        ["mm", "addmm"], put(math.nan, (3, 5)), dtypes=[torch.bfloat16], calls=[15 * step + knobs.randint(1, 15)]
    )
    return Scenario(
        model,
        optimizer,
        kit.classes(50, 24, 8, 3),
        train_step,
        Expected(("hardware",), ("optimizer",), ("mlp",), step),
        device=contextlib.nullcontext if repaired else bad,
        extra_state=(other,),
    )
