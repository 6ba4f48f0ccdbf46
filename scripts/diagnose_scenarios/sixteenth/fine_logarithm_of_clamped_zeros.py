"""Spectra with exact zeros are clamped to 1e-10 before the logarithm; the smallest values are -23 and belong there."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    bands = knobs.pick(8, 10)
    model = kit.named(inp=nn.Linear(bands, 16), norm=nn.BatchNorm1d(16), act=nn.ReLU(), head=nn.Linear(16, 3))
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for x, y in kit.classes(80, 24, bands, 3):
        power = x.exp() * (torch.rand_like(x) > 0.08)
        batches.append((power.clamp(min=1e-10).log(), y))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy))
