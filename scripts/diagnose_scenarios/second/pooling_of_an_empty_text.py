"""Masked mean pooling inside the model divides by the number of words of an empty text."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class MaskedMean(nn.Module):
    def __init__(self, least: float) -> None:
        super().__init__()
        self.least = least

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=self.least)


class Net(nn.Module):
    def __init__(self, words: int, width: int, least: float) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.pool = MaskedMean(least)
        self.out = nn.Linear(width, 2)

    def forward(self, batch: Any) -> Tensor:
        tokens, mask = batch
        return self.out(self.pool(self.words(tokens), mask))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, words = knobs.step(), knobs.pick(12, 20)
    model = Net(words, knobs.pick(6, 8), 1.0 if repaired else 0.0)
    optimizer = kit.adam(model, lr=0.1)
    labels = [torch.randint(2, (16,)) for _ in range(80)]
    tokens = [torch.randint(words // 2, (16, 5)) + y[:, None] * (words // 2) for y in labels]
    batches = [((t, (torch.rand(16, 5) > 0.2).float()), y) for t, y in zip(tokens, labels, strict=True)]
    for (_, mask), _ in batches:
        mask[:, 0] = 1
    batches[step][0][1][4] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("division-by-zero",), ("forward",), ("pool",), step),
    )
