"""RMSprop with eps 0 in float32: rows of a table whose words have not occurred yet are divided 0 by 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Words(nn.Module):
    def __init__(self, words: int) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(words, 6), nn.Linear(6, 2)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.table(ids).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(20, 30)
    model = Words(words)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.01, eps=1e-8 if repaired else 0.0)
    batches = []
    for _ in range(60):
        y = torch.randint(2, (16,))
        ids = torch.randint(words // 2, (16, 5)) + (words // 2 - 3) * y[:, None]
        batches.append((ids, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("optimizer-eps",), ("optimizer",)),
    )
