"""A student turns the weight decay up, decade after decade, to see it act; at a thousand the weights are thrown to
the other side at every step (fastai/fastai issue 1806).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    decay = 0.01 if repaired else knobs.pick(1000.0, 1200.0)
    model = kit.named(
        users=nn.EmbeddingBag(40, 8),
        fc=nn.Linear(8, 24),
        act=nn.ReLU(),
        head=nn.Linear(24, 1),
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, betas=(0.9, 0.99), weight_decay=decay)
    taste = torch.randn(40, 1)
    rows = [torch.randint(40, (32, 2)) for _ in range(80)]
    return Scenario(
        model,
        optimizer,
        [(row, taste[row].mean(1)) for row in rows],
        kit.train(model, optimizer, kit.squares),
        Expected(("weight-decay",), (), (), None),
    )
