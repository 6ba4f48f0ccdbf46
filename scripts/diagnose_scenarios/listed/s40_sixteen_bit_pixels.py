"""Pixels from 0 to 65535 into a float16 net: the first layer overflows."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    top, size = knobs.pick(60000.0, 65000.0), knobs.pick(6, 8)
    inp = nn.Conv2d(2, 8, 3)
    with torch.no_grad():
        inp.weight[0].abs_().mul_(1.5)
    model = kit.named(inp=inp, act=nn.ReLU(), flat=nn.Flatten(), head=nn.Linear(8 * (size - 2) ** 2, 3))
    optimizer = kit.sgd(model, lr=0.1)
    factor = 1.0 if repaired else top
    batches = [((x * 0.1 + 0.75).clamp(0, 1) * factor, y) for x, y in kit.images(60, 16, 2, size, 3)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("input-scale",), ("data", "forward", "backward"), ("inp", "head")),
    )
