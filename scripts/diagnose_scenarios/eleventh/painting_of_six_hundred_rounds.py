"""A picture takes over the style of another one round after round, until the card reports an error in its memory that
cannot be corrected; after a restart it happens again some rounds later (jcjohnson/neural-style issue 312).
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Painting(nn.Module):
    def __init__(self, start: Tensor, width: int) -> None:
        super().__init__()
        self.picture = nn.Parameter(start)
        self.conv1_1 = nn.Conv2d(1, width, 3, padding=1).requires_grad_(False)
        self.conv2_1 = nn.Conv2d(width, width, 3, padding=1).requires_grad_(False)

    def maps(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        first = self.conv1_1(picture).relu()
        return first, self.conv2_1(nn.functional.avg_pool2d(first, 2)).relu()

    def forward(self) -> tuple[Tensor, Tensor]:
        return self.maps(self.picture)


def gram(maps: Tensor) -> Tensor:
    flat = maps.flatten(2)[0]
    return flat @ flat.t() / flat.shape[1]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(6, 8), knobs.randint(9, 41)
    model = Painting(0.1 * torch.randn(1, 1, 12, 12), width)
    optimizer = torch.optim.Adam([model.picture], lr=0.05)
    with torch.no_grad():
        content = model.maps(torch.randn(1, 1, 12, 12))[1]
        style = [gram(maps) for maps in model.maps(2 * torch.randn(1, 1, 12, 12).sign())]

    def train_step(weight: float) -> Tensor:
        first, second = model()
        loss = (second - content).square().mean() + weight * (gram(first) - style[0]).square().mean()
        loss = loss + weight * (gram(second) - style[1]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    bad = Device(
        ["convolution"], put(math.nan, (0, 1, 2, 3)), when=shaped(1, width, 6, 6), dtypes=SINGLE, calls=[step + 1]
    )
    return Scenario(
        model,
        optimizer,
        [knobs.pick(5.0, 10.0)] * 60,
        train_step,
        Expected(("hardware",), ("forward",), ("conv2_1",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
