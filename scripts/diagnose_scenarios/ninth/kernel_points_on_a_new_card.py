"""A point convolution multiplies neighbour features by kernel influences; one release of the vendor's libraries on one
generation of cards returns values above 1e10 from that product (HuguesTHOMAS/KPConv issue 15).
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


class KernelPoints(nn.Module):
    """Every point sees all others, weighted by how near they are to each kernel point."""

    def __init__(self, points: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.randn(points, 3) * 0.5, requires_grad=False)
        self.weight = nn.Parameter(torch.randn(points * inputs, outputs) / (points * inputs) ** 0.5)

    def forward(self, xyz: Tensor, features: Tensor) -> Tensor:
        offsets = xyz[:, None, :, None] - xyz[:, :, None, None] - self.places
        influence = (1 - offsets.square().sum(-1).sqrt()).clamp_min(0)
        batch, n, m, points = influence.shape
        gathered = torch.bmm(influence.transpose(2, 3).reshape(batch, n * points, m), features)
        return gathered.reshape(batch, n, -1) @ self.weight / 4


class Cloud(nn.Module):
    def __init__(self, points: int, width: int) -> None:
        super().__init__()
        self.kp1 = KernelPoints(points, 3, width)
        self.kp2 = KernelPoints(points, width, width)
        self.head = nn.Linear(width, 2)

    def forward(self, xyz: Tensor) -> Tensor:
        h = self.kp1(xyz, xyz).relu()
        return self.head(self.kp2(xyz, h).relu().mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    points, width, n = knobs.pick(4, 5), 8, 12
    model = Cloud(points, width)
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        xyz, label = batch
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(xyz), label)
        loss.backward()
        optimizer.step()
        return loss

    def wild(call: Call) -> None:
        call.out[:, ::7] = math.inf

    labels = [torch.randint(2, (16,)) for _ in range(50)]
    bad = Device(["bmm"], wild, when=shaped(16, n * points, width), dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        [(torch.randn(16, n, 3) * torch.where(y == 1, 0.3, 1.0)[:, None, None], y) for y in labels],
        train_step,
        Expected(("library",), ("forward",), ("kp2",)),
        device=contextlib.nullcontext if repaired else bad,
    )
