"""SparseAdam on an embedding table in float16: the squares of small gradients and the eps of 1e-8 are both 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(words, width, sparse=True).half()
        self.head = nn.Linear(width, 1)
        nn.init.normal_(self.head.weight, std=0.1)
        self.head.requires_grad_(False)

    def forward(self, words: Tensor) -> Tensor:
        return self.head(self.table(words).float())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    count = knobs.pick(20, 30)
    model = Net(count, 16)
    optimizer = torch.optim.SparseAdam([model.table.weight], lr=0.05, eps=1e-4 if repaired else 1e-8)
    values = torch.randn(count, 1)
    words = [torch.randint(count, (64,)) for _ in range(100)]
    return Scenario(
        model,
        optimizer,
        [(each, values[each]) for each in words],
        kit.train(model, optimizer, kit.squares),
        Expected(("optimizer-eps",), ("optimizer",), ("table",)),
    )
