"""A small picture leaves a map of one pixel for an instance norm, which has nothing to take statistics of: torch
raises.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(5, 7)
    model = kit.named(
        conv1=nn.Conv2d(1, width, 3, stride=2),
        act=nn.ReLU(),
        conv2=nn.Conv2d(width, width, 3, stride=2),
        norm=nn.InstanceNorm2d(width, affine=True),
        act2=nn.ReLU(),
        pool=nn.AdaptiveAvgPool2d(2),
        flat=nn.Flatten(),
        head=nn.Linear(4 * width, 2),
    )
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for i in range(50):
        side, y = (7 if i == step and not repaired else 13), torch.randint(2, (12,))
        ramp = torch.linspace(-2, 2, side) * (2 * y[:, None, None, None] - 1)
        batches.append((torch.randn(12, 1, side, side) * 0.5 + ramp, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("norm",), step, "raises"),
    )
