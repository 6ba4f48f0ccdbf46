"""The kernel that averages over time returns infinity for clips of 96 frames and more; shorter ones come out right."""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Average(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(2)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(6, 8), knobs.randint(3, 12)
    model = kit.named(conv=nn.Conv1d(2, width, 5, padding=2), act=nn.ReLU(), pool=Average(), head=nn.Linear(width, 2))
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for i in range(50):
        frames = knobs.pick(96, 120) if i == step else knobs.pick(32, 48, 64)
        label = torch.randint(2, (8,))
        batches.append((torch.randn(8, 2, frames) * (0.5 + label[:, None, None]), label))
    bad = Device(["mean"], put(math.inf, (2, 1)), when=lambda call: call.args[0].shape[-1] >= 96, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward",), ("pool",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
