"""Weights, gradients and optimizer state all in bfloat16, whose range needs neither a scaler nor another eps."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(8, knobs.pick(16, 24)), act=nn.GELU(), head=nn.LazyLinear(3))
    model(torch.zeros(1, 8))
    model.bfloat16()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    batches = [(x.bfloat16(), y) for x, y in kit.classes(60, 32, 8, 3)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy))
