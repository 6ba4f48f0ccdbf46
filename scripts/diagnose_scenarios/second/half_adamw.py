"""AdamW with its default eps on a model converted by .half()."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(emb=nn.Embedding(30, width), out=nn.Linear(width, 2)).half()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.004, eps=1e-4 if repaired else 1e-8, weight_decay=0.0)
    meanings = torch.randn(30, 2)
    indices = [torch.randint(30, (32,)) for _ in range(120)]
    return Scenario(
        model,
        optimizer,
        [(i, meanings[i].half()) for i in indices],
        kit.train(model, optimizer, kit.squares),
        Expected(("optimizer-eps",), ("optimizer",)),
    )
