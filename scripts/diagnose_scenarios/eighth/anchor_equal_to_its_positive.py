"""Positives are drawn from a small vocabulary, and once a positive is its own anchor: the distance is the root of an
exact 0 (tensorflow/tensorflow issue 30199).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.named(words=nn.Embedding(40, 12), flat=nn.Flatten(), head=nn.Linear(36, knobs.pick(8, 10)))
    optimizer = kit.adam(model, lr=0.01)

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return ((a - b).pow(2).sum(-1) + (1e-9 if repaired else 0.0)).sqrt()

    def train_step(batch: Any) -> Tensor:
        anchor, positive, negative = (model(part) for part in batch)
        optimizer.zero_grad()
        loss = (distance(anchor, positive) - distance(anchor, negative) + 1.0).relu().mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        anchor = torch.randint(20, (16, 3))
        positive, negative = (anchor + torch.randint(1, 3, (16, 3))) % 20, torch.randint(20, 40, (16, 3))
        if number == step:
            positive[knobs.randint(0, 15)] = anchor[0]
            positive[0] = anchor[0]
        batches.append((anchor, positive, negative))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("singular-gradient",), ("backward", "loss"), (LOSS,), step),
    )
