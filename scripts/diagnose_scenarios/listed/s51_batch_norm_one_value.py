"""BatchNorm on 1 x 1 maps meets a last batch of one sample: torch raises."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 12)
    model = kit.named(
        conv=nn.Conv2d(2, width, 4),
        bn=nn.BatchNorm2d(width),
        act=nn.ReLU(),
        flat=nn.Flatten(),
        head=nn.Linear(width, 3),
    )
    optimizer = kit.sgd(model, lr=0.05)
    batches = kit.images(40, 16, 2, 4, 3)
    x, y = batches[step]
    left = 2 if repaired else 1
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x[:left], y[:left])),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("bn",), step, "raises"),
    )
