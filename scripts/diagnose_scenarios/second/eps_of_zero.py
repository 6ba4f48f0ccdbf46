"""Adam with eps=0 in float32, and a parameter whose gradient is exactly 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.emb = nn.Embedding(20, width)
        self.out = nn.Linear(width, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.out(self.emb(tokens))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Net(knobs.pick(6, 8))
    optimizer = kit.adam(model, lr=0.03, eps=1e-8 if repaired else 0.0)
    meanings = torch.randn(20, 2)
    indices = [torch.randint(15, (32,)) for _ in range(80)]
    return Scenario(
        model,
        optimizer,
        [(i, meanings[i]) for i in indices],
        kit.train(model, optimizer, kit.squares),
        Expected(("optimizer-eps",), ("optimizer",)),
    )
