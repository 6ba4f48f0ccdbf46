"""A few NaN pixels in one image of a depth data set (prs-eth/Marigold issue 111)."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.named(
        stem=nn.Conv2d(3, 6, 3), bn=nn.BatchNorm2d(6), act=nn.ReLU(), flat=nn.Flatten(), fc=nn.Linear(96, 3)
    )
    optimizer = kit.sgd(model, lr=0.05)
    batches = kit.images(40, 8, 3, 6, 3)
    if not repaired:
        batches[step][0][knobs.randint(0, 7), 1, 2:4, 2:4] = float("nan")
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("bad-data",), ("data",), (), step),
    )
