"""Depth maps in millimetres go into a float16 net made for metres."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    size = knobs.pick(6, 8)
    stem = nn.Conv2d(3, 8, 3)
    with torch.no_grad():
        stem.weight[1].abs_().mul_(4)
    model = kit.named(stem=stem, act=nn.ReLU(), flat=nn.Flatten(), fc=nn.Linear(8 * (size - 2) ** 2, 3))
    optimizer = kit.sgd(model, lr=0.005)
    factor = 1.0 if repaired else 1000.0
    batches = [((x + 8).clamp(min=0) * factor, y) for x, y in kit.images(80, 16, 3, size, 3)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("input-scale",), ("data", "forward", "backward"), ("stem",)),
    )
