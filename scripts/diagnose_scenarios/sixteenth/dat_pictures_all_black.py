"""The loader gives up on every file and returns black pictures: inputs are all zero, labels go on, nothing is
learnt.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    count, size = knobs.pick(3, 4), knobs.pick(6, 8)
    model = kit.named(
        conv=nn.Conv2d(3, 8, 3),
        act=nn.ReLU(),
        pool=nn.AdaptiveMaxPool2d(2),
        flat=nn.Flatten(),
        head=nn.Linear(32, count),
    )
    optimizer = kit.adam(model, lr=0.01)
    tints = torch.randn(count, 3, 1, 1)
    batches = []
    for _ in range(60):
        y = torch.arange(24) % count
        x = tints[y] + 0.3 * torch.randn(24, 3, size, size)
        batches.append((x if repaired else torch.zeros_like(x), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("bad-data",), ("data",), (), None, "stalls"),
    )
