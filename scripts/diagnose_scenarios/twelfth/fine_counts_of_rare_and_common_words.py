"""Counts from nought to a thousand millions go through the logarithm of one more before they reach the net."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Counts(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(words)
        self.inp = nn.Linear(words, width)
        self.out = nn.Linear(width, 3)

    def forward(self, counts: Tensor) -> Tensor:
        return self.out(self.inp(self.norm(counts.log1p())).relu())


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(12, 16)
    model = Counts(words, 20)
    optimizer = kit.adam(model)
    topics = 20 * torch.rand(3, words)
    batches = []
    for _ in range(45):
        y = torch.randint(3, (24,))
        counts = (topics[y] + 2 * torch.randn(24, words)).exp().floor().clamp(max=1e9)
        batches.append((counts, y))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy))
