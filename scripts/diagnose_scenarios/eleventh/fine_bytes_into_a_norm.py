"""Pictures go in as bytes from 0 to 255 and meet a batch norm first, which takes their size out; a few are all
white."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 10)
    model = kit.named(
        norm=nn.BatchNorm2d(3),
        conv=nn.Conv2d(3, width, 3, stride=2),
        act=nn.Hardswish(),
        flat=nn.Flatten(),
        head=nn.Linear(9 * width, 3),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    batches = []
    for number, (x, y) in enumerate(kit.images(60, 16, 3, 7, 3)):
        picture = (128 + 40 * x).clamp(0, 255).round()
        if number % 7 == 3:
            picture[0] = 255.0
        batches.append((picture, y))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy))
