"""The last batch of an epoch holds one example, for which a batch norm over features refuses to train
(pytorch/pytorch issue 4534).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step() + 2
    model = kit.named(
        words=nn.EmbeddingBag(30, 16),
        fc=nn.Linear(16, 24),
        norm=nn.BatchNorm1d(24),
        act=nn.ReLU(),
        head=nn.Linear(24, 2),
    )
    optimizer = kit.adam(model, lr=0.01)
    batches = []
    for number in range(50):
        left = 1 if number % (step + 1) == step and not repaired else 16
        text = torch.randint(30, (left, 5))
        text[:, 1:3] = text[:, :1]
        batches.append((text, (text[:, 0] < 15).long()))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("norm",), step, "raises"),
    )
