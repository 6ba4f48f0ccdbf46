"""A convolutional net under momentum 0.99 and a learning rate of 5."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    model = kit.named(stem=nn.Conv2d(1, width, 3), act=nn.ReLU(), flat=nn.Flatten(), fc=nn.Linear(width * 16, 1))
    rate, momentum = (0.01, 0.9) if repaired else (knobs.pick(3.0, 5.0), 0.99)
    optimizer = kit.sgd(model, lr=rate, momentum=momentum)
    batches = [(x, y[:, None].float()) for x, y in kit.images(60, 16, 1, 6, 3)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("learning-rate",), (), (), None),
    )
