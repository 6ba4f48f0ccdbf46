"""One channel of a batch norm's output is infinite at one single step of a small residual net."""

from __future__ import annotations

import contextlib
import math

from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bn(self.conv(x)).relu()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(5, 7), knobs.step()
    model = kit.named(
        stem=nn.Conv2d(1, width, 3, padding=1),
        one=Block(width),
        two=Block(width),
        three=Block(width),
        pool=nn.AdaptiveAvgPool2d(2),
        flat=nn.Flatten(),
        head=nn.Linear(4 * width, 3),
    )
    optimizer = kit.sgd(model, lr=0.05, momentum=0.9)
    bad = Device(
        ["native_batch_norm", "_native_batch_norm_legit"],
        put(math.inf, (slice(None), 2)),
        dtypes=SINGLE,
        calls=[3 * step + 2],
    )
    return Scenario(
        model,
        optimizer,
        kit.images(45, 8, 1, 6, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward",), ("two.bn", "two"), step),
        device=contextlib.nullcontext if repaired else bad,
    )
