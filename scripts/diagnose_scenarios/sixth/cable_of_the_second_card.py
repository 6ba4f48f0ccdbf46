"""A card behind a bad riser cable: once, what arrives after a copy is not what was sent, and one number is infinite
(AlexeyAB/darknet issue 5547).
"""

from __future__ import annotations

import contextlib
import math

from diagnose_scenarios import kit
from diagnose_scenarios.device import HALF, Device, put, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Stages(nn.Module):
    """The second half runs on another card, in float16."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(8, width)
        self.link = Link()
        self.second = nn.Linear(width, 3).half()

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.link(self.first(x).relu()))


class Link(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.half()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(16, 20), knobs.step()
    model = Stages(width)
    optimizer = kit.sgd(model, lr=0.1, momentum=0.5)
    bad = Device(["_to_copy"], put(math.inf, (5, 2)), when=shaped(24, width), dtypes=HALF, calls=[step + 1])
    return Scenario(
        model,
        optimizer,
        kit.classes(40, 24, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward",), ("link",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
