"""Attention pooling weighs the words of a text and masks the padding; one text of one batch is empty."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Pool(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weigh = nn.Linear(width, 1)

    def forward(self, h: Tensor, hidden: Tensor) -> Tensor:
        scores = self.weigh(h)[..., 0].masked_fill(hidden, -math.inf)
        return (torch.softmax(scores, 1)[..., None] * h).sum(1)


class Reader(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width, padding_idx=0)
        self.pool = Pool(width)
        self.say = nn.Linear(width, 3)

    def forward(self, ids: Tensor) -> Tensor:
        return self.say(self.pool(self.words(ids), ids == 0))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, words = knobs.step(), knobs.pick(16, 24)
    model = Reader(words, 10)
    optimizer = torch.optim.RAdam(model.parameters(), lr=0.05)
    batches = []
    for i in range(70):
        y = torch.randint(3, (16,))
        ids = torch.randint(1, words // 3, (16, 6)) * 3 - 2 + y[:, None]
        ids[:, 4:] *= torch.randint(2, (16, 2))
        if i == step and not repaired:
            ids[knobs.randint(0, 15)] = 0
        batches.append((ids, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("masked-softmax",), ("forward",), ("pool",), step),
    )
