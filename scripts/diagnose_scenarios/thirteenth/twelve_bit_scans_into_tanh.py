"""Scans from 0 to 4095 go straight into tanh: every unit is saturated, and only the mean is learnt."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    size, factor = knobs.pick(5, 6), 1 / 4095 if repaired else 1.0
    wide = size * size
    model = kit.named(flat=nn.Flatten(), fc1=nn.Linear(wide, 20), act=nn.Tanh(), head=nn.Linear(20, 1))
    optimizer = kit.sgd(model, lr=0.02, momentum=0.9)
    batches = []
    for _ in range(80):
        scan = (knobs.pick(1800, 2200) + 150 * torch.randn(32, 1, size, size)).clamp(0, 4095)
        exposure = 0.3 + 1.4 * torch.rand(32, 1, 1, 1)
        scan = (scan * exposure).clamp(0, 4095).round()
        batches.append((scan * factor, 3 * (exposure.flatten(1) - 1)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), (), (), None, "stalls"),
    )
