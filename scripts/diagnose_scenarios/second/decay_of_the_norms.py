"""A parameter group of norm weights got the learning rate of 0.1 and a decay meant for another unit: 30."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(inp=nn.Linear(8, width), ln=nn.LayerNorm(width), act=nn.ReLU(), out=nn.Linear(width, 1))
    rest = [p for name, p in model.named_parameters() if not name.startswith("ln")]
    decay = 0.0 if repaired else knobs.pick(35.0, 45.0)
    groups = [{"params": rest}, {"params": model.ln.parameters(), "weight_decay": decay}]
    optimizer = torch.optim.AdamW(groups, lr=0.1, weight_decay=0.0)
    for group in optimizer.param_groups[:1]:
        group["lr"] = 0.01
    return Scenario(
        model,
        optimizer,
        kit.regression(150, 16, 8),
        kit.train(model, optimizer, kit.squares),
        Expected(("weight-decay",), (), (), None),
    )
