"""A summed loss in the tens of thousands with a rate that is small in proportion."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    model = kit.named(a=nn.Conv2d(1, width, 3, padding=1), act=nn.Tanh(), b=nn.Conv2d(width, 1, 3, padding=1))
    optimizer = kit.sgd(model, lr=2e-5, momentum=0.9)
    xs = [torch.randn(16, 1, 12, 12) for _ in range(50)]
    return Scenario(
        model,
        optimizer,
        [(x, 3 * x + 1) for x in xs],
        kit.train(model, optimizer, lambda p, y: (p - y).square().sum()),
    )
