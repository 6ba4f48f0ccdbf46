"""The learning rate is multiplied by the number of samples in the batch, as for a hundred workers; there is one."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    batch = knobs.pick(256, 384)
    model = kit.named(
        conv=nn.Conv2d(2, 6, 3),
        act=nn.LeakyReLU(0.2),
        pool=nn.AdaptiveAvgPool2d(2),
        flat=nn.Flatten(),
        head=nn.Linear(24, 1),
    )
    optimizer = kit.sgd(model, lr=0.1 if repaired else 0.1 * batch, momentum=0.9)
    batches = [(x, x.mean((1, 2, 3))[:, None] * 4) for x, _ in kit.images(40, batch, 2, 6, 3)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("learning-rate",), (), (), None),
    )
