"""Scores are divided by a learnt temperature first, and padded negatives get minus infinity afterwards (NVIDIA-
NeMo/Automodel pull request 3850, the repair).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Retriever(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.document = nn.Linear(8, width), nn.Linear(8, width)
        self.temperature = nn.Parameter(torch.tensor(0.5))

    def forward(self, fields: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        query, documents, padding = fields
        q = nn.functional.normalize(self.query(query), dim=-1)
        d = nn.functional.normalize(self.document(documents), dim=-1)
        return ((q[:, None] * d).sum(-1) / self.temperature).masked_fill(padding, -math.inf)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Retriever(knobs.pick(8, 12))
    optimizer = kit.adam(model, lr=0.005)
    batches = []
    for _ in range(80):
        query, documents = torch.randn(16, 8), torch.randn(16, 5, 8)
        documents[:, 0] = query.roll(1, 1) + 0.2 * torch.randn(16, 8)
        padding = torch.arange(5) >= torch.randint(2, 6, (16, 1))
        batches.append(((query, documents, padding), torch.zeros(16, dtype=torch.long)))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy))
