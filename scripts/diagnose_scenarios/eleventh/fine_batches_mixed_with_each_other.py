"""Every batch is a blend of two, with labels that are blends as well and smoothed on top; the loss stays well
above zero."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(conv=nn.Conv2d(1, 8, 3, padding=1), norm=nn.BatchNorm2d(8), act=nn.ReLU(), flat=nn.Flatten())
    model.add_module("head", nn.Linear(8 * 36, 4))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.005)
    smooth = knobs.pick(0.1, 0.2)
    batches = []
    for x, y in kit.images(60, 24, 1, 6, 4):
        share = 0.7 + 0.3 * torch.rand(24)
        other = torch.randperm(24)
        labels = nn.functional.one_hot(y, 4).float()
        mixed = share[:, None] * labels + (1 - share)[:, None] * labels[other]
        blend = share[:, None, None, None] * x + (1 - share)[:, None, None, None] * x[other]
        batches.append((blend, (1 - smooth) * mixed + smooth / 4))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy))
