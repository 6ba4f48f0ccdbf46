"""Training relations between objects gives NaN on one card, and on another card with nothing else changed it does not
(jwyang/graph-rcnn.pytorch issue 91).
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Relations(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.subject, self.object = nn.Linear(inputs, width), nn.Linear(inputs, width)
        self.predicate = nn.Linear(width, 2)

    def forward(self, objects: Tensor) -> Tensor:
        pair = self.subject(objects)[:, :, None] * self.object(objects)[:, None]
        return self.predicate(pair.relu()).movedim(-1, 1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.randint(5, 17), knobs.pick(10, 12)
    model = Relations(5, width)
    optimizer = kit.adam(model, lr=0.01)
    bad = Device(
        ["addmm"],
        put(math.nan, (7, 1)),
        when=shaped(None, 2),
        dtypes=SINGLE,
        calls=range(step + 1, step + 30),
    )
    batches = []
    for _ in range(50):
        objects = torch.randn(6, 6, 5)
        batches.append((objects, (objects[:, :, None, 0] > objects[:, None, :, 1]).long()))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward",), ("predicate",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
