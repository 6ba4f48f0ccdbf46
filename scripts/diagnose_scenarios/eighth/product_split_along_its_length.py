"""A long product in float16 is cut into parts whose sums are kept in float16; the parts are large and of both signs,
the result is small (pytorch/pytorch issue 116870).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import HalfSums
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Contrast(nn.Module):
    """How far the first half of the sensors lies above the second."""

    def __init__(self, sensors: int, outputs: int) -> None:
        super().__init__()
        weight = torch.ones(outputs, sensors)
        weight[:, sensors // 2 :] = -1
        self.register_buffer("weight", weight)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight) / 100


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    sensors, width = knobs.pick(400, 480), 12
    model = kit.named(
        contrast=Contrast(sensors, width),
        fc=nn.Linear(width, 16),
        act=nn.GELU(),
        head=nn.Linear(16, 1),
    )
    optimizer = kit.adam(model, lr=0.003)
    batches = []
    for _ in range(60):
        y = torch.randn(24, 1)
        tilt = torch.cat([torch.ones(sensors // 2), -torch.ones(sensors // 2)])
        batches.append((knobs.pick(420.0, 460.0) + y * tilt + torch.randn(24, sensors), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("fp16-accumulation",), ("forward",), ("contrast",)),
        device=contextlib.nullcontext if repaired else HalfSums(knobs.pick(20, 40)),
    )
