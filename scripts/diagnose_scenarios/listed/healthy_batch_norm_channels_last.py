"""Convolutions and BatchNorm in channels_last memory."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    model = kit.named(
        conv=nn.Conv2d(3, width, 3),
        bn=nn.BatchNorm2d(width),
        act=nn.SiLU(),
        pool=nn.AdaptiveAvgPool2d(2),
        flat=nn.Flatten(),
        head=nn.Linear(4 * width, 3),
    ).to(memory_format=torch.channels_last)
    optimizer = kit.sgd(model, lr=0.1)
    batches = [(x.to(memory_format=torch.channels_last), y) for x, y in kit.images(50, 8, 3, 8, 3)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy))
