"""One gradient comes out infinite once; the node is rebooted and the same run goes through (as in pytorch/torchtitan
issue 951, where a card had reported an error).
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(20, 28)
    model = kit.named(
        wq=nn.Linear(8, 16), act=nn.GELU(), w1=nn.Linear(16, width), act1=nn.GELU(), output=nn.Linear(width, 3)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def is_gradient_of_w1(call: Call) -> bool:
        return {*call.out.shape} == {16, width}

    bad = Device(["mm"], put(math.inf, (3, 5)), when=is_gradient_of_w1, dtypes=SINGLE, calls=[step + 1])
    return Scenario(
        model,
        optimizer,
        kit.classes(50, 12, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("backward",), ("w1",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
