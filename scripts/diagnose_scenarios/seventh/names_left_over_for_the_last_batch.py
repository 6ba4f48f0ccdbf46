"""Batch normalisation written by hand meets a batch with one name in it, whose variance is NaN (as in
karpathy/makemore issue 22).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class BatchNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))
        self.beta = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = x.mean(0, keepdim=True), x.var(0, keepdim=True)
        return self.gamma * (x - mean) / (variance + 1e-5).sqrt() + self.beta


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    letters, width, every = 8, knobs.pick(24, 32), knobs.randint(6, 9)
    model = kit.named(
        emb=nn.Embedding(letters, 6),
        flat=nn.Flatten(),
        hidden=nn.Linear(18, width, bias=False),
        bn=BatchNorm(width),
        act=nn.Tanh(),
        out=nn.Linear(width, letters),
    )
    optimizer = kit.sgd(model, lr=0.5)
    batches = []
    for number in range(70):
        x = torch.randint(letters, (32, 3))
        if number % every == every - 1:
            x = x[: 2 if repaired else 1]
        batches.append((x, x[:, -1]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("bn",), every - 1),
    )
