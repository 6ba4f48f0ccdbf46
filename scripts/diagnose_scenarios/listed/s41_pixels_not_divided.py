"""Pixels from 0 to 255 with a learning rate that is safe only for 0 to 1."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    size = knobs.pick(6, 8)
    wide = 6 * (size - 2) ** 2
    model = kit.named(conv1=nn.Conv2d(1, 6, 3), act=nn.LeakyReLU(0.1), flat=nn.Flatten(), head=nn.Linear(wide, 1))
    optimizer = kit.sgd(model, lr=knobs.pick(0.01, 0.02))
    factor = 1.0 if repaired else 255.0
    batches = [((x * 0.2 + 0.5).clamp(0, 1) * factor, y[:, None].float()) for x, y in kit.images(60, 16, 1, size, 3)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), (), (), None),
    )
