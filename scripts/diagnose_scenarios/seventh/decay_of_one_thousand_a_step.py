"""A weight decay of a thousand multiplies the weights by a large negative number at every step (as in fastai/fastai
issue 1806).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    decay = 0.01 if repaired else knobs.pick(1000.0, 1500.0)
    model = kit.named(emb=nn.Embedding(20, 8), flat=nn.Flatten(), fc=nn.Linear(24, knobs.pick(16, 24)), act=nn.ReLU())
    model.add_module("out", nn.LazyLinear(3))
    model(torch.zeros(1, 3, dtype=torch.long))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=decay)
    batches = []
    for _ in range(60):
        y = torch.randint(3, (32,))
        batches.append((torch.randint(6, (32, 3)) + 6 * y[:, None], y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("weight-decay",), (), (), None),
    )
