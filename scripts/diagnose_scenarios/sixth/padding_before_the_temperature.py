"""Padded negatives get a score of minus infinity and only then are all scores divided by a learnt temperature: the
loss is right, and the temperature's gradient is 0 times infinity (NVIDIA-NeMo/Automodel pull request 3850).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Retriever(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(inputs, width)
        self.document = nn.Linear(inputs, width)
        self.temperature = nn.Parameter(torch.tensor(0.5))

    def forward(self, query: Tensor, documents: Tensor) -> Tensor:
        q = nn.functional.normalize(self.query(query), dim=-1)
        d = nn.functional.normalize(self.document(documents), dim=-1)
        return (q[:, None] * d).sum(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 12)
    model = Retriever(8, width)
    optimizer = kit.adam(model, lr=0.005)

    def train_step(batch: Any) -> Tensor:
        query, documents, padding = batch
        optimizer.zero_grad()
        scores = model(query, documents)
        if repaired:
            logits = (scores / model.temperature).masked_fill(padding, -math.inf)
        else:
            logits = scores.masked_fill(padding, -math.inf) / model.temperature
        loss = nn.functional.cross_entropy(logits, torch.zeros(len(query), dtype=torch.long))
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        query = torch.randn(16, 8)
        documents = torch.randn(16, 5, 8)
        documents[:, 0] = query.roll(1, 1) + 0.2 * torch.randn(16, 8)
        padding = torch.zeros(16, 5, dtype=torch.bool)
        if number >= step:
            padding[3, 3:] = True
        batches.append((query, documents, padding))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("singular-gradient",), ("backward",), (LOSS,), step)
    )
