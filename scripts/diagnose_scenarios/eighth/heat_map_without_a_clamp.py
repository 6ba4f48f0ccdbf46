"""The focal loss of a heat map takes the logarithm of one minus the sigmoid, which is exactly 0 at a saturated pixel;
the clamp of the sigmoid was left out (xingyizhou/CenterNet issue 234).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 12)
    model = kit.named(
        conv=nn.Conv2d(1, width, 3, padding=1),
        act=nn.ReLU(),
        heat=nn.Conv2d(width, 1, 1),
    )
    with torch.no_grad():
        model.heat.weight.abs_()
        model.conv.weight.abs_()
        model.heat.weight.mul_(6)
    optimizer = kit.adam(model, lr=0.02)
    least = 1e-4 if repaired else 0.0

    def focal(logits: Tensor, wanted: Tensor) -> Tensor:
        p = logits.sigmoid().clamp(least, 1 - least)
        hit, miss = wanted.eq(1), wanted.lt(1)
        return -((p.log() * (1 - p) ** 2)[hit].sum() + ((1 - p).log() * p**2)[miss].sum()) / hit.sum().clamp(min=1)

    batches = []
    for number in range(60):
        wanted = (torch.rand(6, 1, 8, 8) < 0.1).float()
        x = 0.3 * torch.randn(6, 1, 8, 8) + wanted
        if number == step:
            x[knobs.randint(0, 5), 0, 2:5, 2:5] = 25.0
        batches.append((x, wanted))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, focal),
        Expected(("underflow",), ("loss",), (LOSS,), step),
    )
