"""The group that should have no decay got the decay of 60 and the other group none; its weights double every step."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(8, 16), norm=nn.LayerNorm(16), act=nn.GELU(), head=nn.Linear(16, 1))
    rate, decay = 0.05, 0.0 if repaired else knobs.pick(60.0, 65.0)
    groups = [
        {"params": [*model.inp.parameters(), *model.norm.parameters()], "weight_decay": 1e-3},
        {"params": model.head.parameters(), "weight_decay": decay},
    ]
    optimizer = torch.optim.SGD(groups, lr=rate)
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 24, 8),
        kit.train(model, optimizer, kit.squares),
        Expected(("weight-decay",), (), (), None),
    )
