"""On one kind of card a matrix product now and then returns values of ten to the ten and more where the true ones are
small, and the next steps make NaN of them; other cards compute the same net well (HuguesTHOMAS/KPConv issue 15).
"""

from __future__ import annotations

import contextlib
import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Kernel(nn.Module):
    def __init__(self, points: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.places = nn.Buffer(torch.randn(points, 3))
        self.weight = nn.Parameter(torch.randn(points * inputs, outputs) / (points * inputs) ** 0.5)

    def forward(self, at: Tensor, x: Tensor) -> Tensor:
        near = (1 - torch.cdist(at[:, None], self.places[None])[:, 0] / 3).relu()
        return (near[:, :, None] * x[:, None, :]).flatten(1) @ self.weight


class Net(nn.Module):
    def __init__(self, points: int, width: int) -> None:
        super().__init__()
        self.kernel = Kernel(points, 4, width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 3)

    def forward(self, cloud: Any) -> Tensor:
        return self.head(self.norm(self.kernel(*cloud)).relu())


def far_too_large(call: Call) -> None:
    call.out[3] = math.inf
    call.out[4] = 3e12


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.randint(5, 15), knobs.pick(12, 16)
    model = Net(6, width)
    optimizer = kit.adam(model, lr=0.02)
    bad = Device(["mm"], far_too_large, when=shaped(20, width), dtypes=SINGLE, calls=range(2 * step + 1, 400, 14))
    centres = 2 * torch.randn(3, 4)
    batches = []
    for _ in range(50):
        y = torch.randint(3, (20,))
        batches.append(((torch.randn(20, 3), centres[y] + torch.randn(20, 4)), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward",), ("kernel",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
