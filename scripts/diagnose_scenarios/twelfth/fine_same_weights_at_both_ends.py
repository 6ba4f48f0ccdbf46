"""The words go in and come out by the same table of weights, which gets two gradients in every step."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Tied(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(words, width)
        self.mid = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, text: Tensor) -> Tensor:
        return self.norm(self.mid(self.table(text))) @ self.table.weight.t()


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(10, 12)
    model = Tied(words, 16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=0.1)
    follow = torch.randperm(words)
    batches = []
    for _ in range(60):
        text = torch.randint(words, (32,))
        batches.append((text, follow[text]))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy, clip=1.0))
