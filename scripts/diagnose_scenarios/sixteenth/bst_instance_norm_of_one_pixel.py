"""Instance norm after enough strides has one pixel to take a mean of; the smaller pictures of one batch make it
raise.
"""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(6, 8)
    model = kit.named(
        down1=nn.Conv2d(1, width, 3, stride=2, padding=1),
        norm1=nn.InstanceNorm2d(width, affine=True),
        act=nn.ReLU(),
        down2=nn.Conv2d(width, width, 3, stride=2, padding=1),
        norm2=nn.InstanceNorm2d(width, affine=True),
        act2=nn.ReLU(),
        pool=nn.AdaptiveMaxPool2d(1),
        flat=nn.Flatten(),
        head=nn.Linear(width, 2),
    )
    optimizer = kit.adam(model, lr=0.02)
    batches = kit.images(50, 16, 1, 8, 2)
    x, y = batches[step]
    side = 8 if repaired else 4
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x[:, :, :side, :side], y)),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("norm2",), step, "raises"),
    )
