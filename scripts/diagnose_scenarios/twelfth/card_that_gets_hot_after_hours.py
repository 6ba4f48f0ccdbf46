"""A card that plays games for a net for hours gives a policy that does not add up to a finite number; it is told to
have a problem with heat or power (lightvector/KataGo issue 909).
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(10, 12), knobs.randint(12, 35)
    model = kit.named(
        board=nn.Conv2d(3, width, 3, padding=1),
        act=nn.ReLU(),
        trunk=nn.Conv2d(width, width, 3, padding=1),
        act2=nn.ReLU(),
        policy=nn.Conv2d(width, 1, 1),
        flat=nn.Flatten(),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    batches = []
    for _ in range(50):
        board = torch.rand(16, 3, 5, 5)
        best = torch.randint(25, (16,))
        board[:, 0] += nn.functional.one_hot(best, 25).view(16, 5, 5)
        batches.append((board, best))
    where = (knobs.randint(0, 15), knobs.randint(0, width - 1), 2, 3)
    bad = Device(["convolution"], put(math.inf, where), dtypes=SINGLE, calls=[3 * step + 2])
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward",), ("trunk",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
