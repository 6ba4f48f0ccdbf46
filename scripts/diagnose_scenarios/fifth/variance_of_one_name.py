"""A batch norm written by hand in a character model takes the unbiased variance, and meets a batch of one
(karpathy/makemore issue 22).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class BatchNorm1d(nn.Module):
    def __init__(self, dim: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.gamma = nn.Parameter(torch.ones(dim))
        self.beta = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        return self.gamma * (x - x.mean(0, keepdim=True)) / (x.var(0, keepdim=True) + self.eps).sqrt() + self.beta


class CharModel(nn.Module):
    def __init__(self, letters: int, width: int) -> None:
        super().__init__()
        self.c = nn.Embedding(letters, 6)
        self.hidden = nn.Linear(18, width, bias=False)
        self.bn = BatchNorm1d(width)
        self.out = nn.Linear(width, letters)

    def forward(self, context: Tensor) -> Tensor:
        return self.out(self.bn(self.hidden(self.c(context).flatten(1))).tanh())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, letters = knobs.step(), knobs.pick(9, 12)
    model = CharModel(letters, knobs.pick(16, 24))
    optimizer = kit.sgd(model, lr=0.2)
    after = torch.randperm(letters)
    batches = []
    for number in range(90):
        context = torch.randint(letters, (1 if number == step and not repaired else 24, 3))
        batches.append((context, after[context[:, -1]]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, nn.functional.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("bn",), step),
    )
