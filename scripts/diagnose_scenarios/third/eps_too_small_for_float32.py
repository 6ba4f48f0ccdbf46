"""Adam with an eps of 1e-50, below the least float32: rows of a table that no batch has used are zero over zero."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.words(x).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(60, 80)
    model = Net(words, knobs.pick(8, 12))
    optimizer = kit.adam(model, lr=0.03, eps=1e-8 if repaired else 10.0 ** -knobs.pick(48, 50))
    batches = []
    for _ in range(50):
        y = torch.randint(3, (8,))
        batches.append((10 * y[:, None] + torch.randint(10, (8, 5)), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("optimizer-eps",), ("optimizer",)),
    )
