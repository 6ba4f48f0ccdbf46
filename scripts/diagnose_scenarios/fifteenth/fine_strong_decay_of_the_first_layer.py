"""The first layer is under a strong decay and stays small, which the layer after it makes up for."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(8, 24), norm=nn.LayerNorm(24), act=nn.ReLU(), out=nn.Linear(24, 3))
    groups = [
        {"params": model.inp.parameters(), "weight_decay": knobs.pick(1.0, 2.0)},
        {"params": [*model.norm.parameters(), *model.out.parameters()], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.02)
    return Scenario(model, optimizer, kit.classes(60, 32, 8, 3), kit.train(model, optimizer, kit.cross_entropy))
