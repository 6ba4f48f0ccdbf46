"""Computed tomography in Hounsfield units, from -1000 to 2000, into a net and a rate made for numbers around 1."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(
        conv1=nn.Conv3d(1, 4, 3),
        act=nn.LeakyReLU(0.1),
        conv2=nn.Conv3d(4, 4, 3),
        flat=nn.Flatten(),
        head=nn.Linear(32, 1),
    )
    optimizer = kit.sgd(model, lr=0.01, momentum=0.5)
    unit = 1.0 if repaired else knobs.pick(1000.0, 1200.0)
    batches = []
    for _ in range(60):
        tissue = torch.rand(8, 1, 1, 1, 1) * 2 - 0.7
        x = tissue + 0.2 * torch.randn(8, 1, 6, 6, 6)
        batches.append((x * unit, tissue.flatten(1)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), (), (), None),
    )
