"""The float16 sigmoid of a gate returns NaN in its first element while the bfloat16 and float32 ones are right."""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import HALF, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Gate(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.value = nn.Linear(width, width)
        self.switch = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.value(x) * torch.sigmoid(self.switch(x))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 20)
    model = kit.named(inp=nn.Linear(8, width), gate=Gate(width), head=nn.Linear(width, 3))
    optimizer, scaler = kit.sgd(model, lr=0.2), kit.new_scaler(2.0**10)
    bad = Device(["sigmoid"], put(math.nan, (0, 0)), dtypes=HALF)
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 16, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy, scaler=scaler, amp=torch.float16),
        Expected(("hardware",), ("forward",), ("gate",)),
        scaler=scaler,
        device=contextlib.nullcontext if repaired else bad,
    )
