"""The learning rate is 3e-10 where 3e-1 was meant: gradients are fine, and no weight moves."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(conv=nn.Conv2d(1, knobs.pick(4, 6), 3), act=nn.ReLU(), flat=nn.Flatten(), head=nn.LazyLinear(3))
    batches = kit.images(60, 16, 1, 6, 3)
    model(batches[0][0])
    lr = knobs.pick(0.05, 0.1)
    optimizer = kit.sgd(model, lr=lr if repaired else lr * 1e-9, momentum=0.9)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("learning-rate",), (), (), None, "stalls"),
    )
