"""One number of a detector's feature map comes back infinite, once, from a card that was later returned as defective
(AlexeyAB/darknet issue 2789).
"""

from __future__ import annotations

import contextlib
import math

from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Route(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(1, width, 3, padding=1)
        self.conv1 = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(width, width, 1)
        self.head = nn.Linear(width * 9, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.leaky_relu(self.conv0(x), 0.1)
        x = nn.functional.leaky_relu(self.conv1(x), 0.1)
        return self.head((x + self.conv2(x)).flatten(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(6, 8)
    model = Route(width)
    optimizer = kit.sgd(model, lr=0.02, momentum=0.9)
    call = 3 * step + 2
    bad = Device(["convolution"], put(math.inf, (2, 1, 1, 0)), dtypes=SINGLE, calls=[call])
    return Scenario(
        model,
        optimizer,
        kit.images(40, 8, 1, 6, 4),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward",), ("conv1",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
