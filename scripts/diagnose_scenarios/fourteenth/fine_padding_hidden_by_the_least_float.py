"""Padding is hidden by the least finite float; a sentence of padding alone gets equal weights and no NaN."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Pool(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, h: Tensor, padding: Tensor) -> Tensor:
        scores = self.score(h)[..., 0].masked_fill(padding, torch.finfo(h.dtype).min)
        return (scores.softmax(1)[..., None] * h).sum(1)


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.word, self.pool, self.out = nn.Linear(5, width), Pool(width), nn.Linear(width, 2)

    def forward(self, batch: Any) -> Tensor:
        return self.out(self.pool(self.word(batch[0]).tanh(), batch[1]))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Net(knobs.pick(10, 14))
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for _ in range(60):
        y = torch.randint(2, (12,))
        padding = torch.rand(12, 6) < 0.5
        padding[knobs.randint(0, 11)] = True
        batches.append(((torch.randn(12, 6, 5) + 2 * y[:, None, None], padding), y))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy))
