"""A Charbonnier loss, the root of a square plus 1e-6, meets differences that are exactly zero: the slope there is
zero.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    model = kit.named(
        c1=nn.Conv2d(1, width, 3, padding=1), act=nn.ReLU(), c2=nn.Conv2d(width, 1, 3, padding=1), last=nn.ReLU()
    )
    optimizer = kit.adam(model, lr=0.01)

    def charbonnier(p: Tensor, y: Tensor) -> Tensor:
        return ((p - y).square() + 1e-6).sqrt().mean()

    xs = [torch.randn(4, 1, 8, 8) for _ in range(60)]
    batches = [(x, torch.relu(x - 0.2)) for x in xs]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, charbonnier))
