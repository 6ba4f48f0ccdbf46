"""Float16 activations of 60000: large, finite, and right."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(inp=nn.Linear(8, width), norm=nn.LayerNorm(width), head=nn.Linear(width, 1))
    with torch.no_grad():
        model.inp.weight.mul_(100)
        model.inp.bias.fill_(knobs.pick(59000.0, 60000.0))
    model.inp.requires_grad_(False)
    optimizer = torch.optim.Adam([*model.norm.parameters(), *model.head.parameters()], lr=0.03)
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 16, 8),
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
    )
