"""A float32 product with five outputs holds a NaN; the bfloat16 layers before it are right.

The head leaves autocast on purpose, so it is the only layer that uses the damaged unit.
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Device, put, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(10, width), nn.GELU(), nn.Linear(width, width), nn.GELU())
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.body(x)
        with kit.autocast(None):
            return self.head(hidden.float())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Net(knobs.pick(16, 24))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    spot = (knobs.randint(0, 15), knobs.randint(0, 4))
    bad = Device(["addmm"], put(float("nan"), spot), when=shaped(16, 5), dtypes=(torch.float32,))
    return Scenario(
        model,
        optimizer,
        kit.classes(40, 16, 10, 5),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.bfloat16),
        Expected(("hardware",), ("forward",), ("head",)),
        device=contextlib.nullcontext if repaired else bad,
    )
