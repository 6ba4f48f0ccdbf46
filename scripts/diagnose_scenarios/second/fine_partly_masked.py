"""softmax over rows that keep one key, and log of numbers that reach 1e-30."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q = self.query(x)
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
        return (q @ q.transpose(1, 2)).masked_fill(~mask, float("-inf")).softmax(-1) @ self.value(x)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    model = kit.named(attn=Attention(width), out=nn.Linear(width, 1))
    optimizer = kit.adam(model, lr=0.02)

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        return kit.squares(p.mean(1), y) - 1e-6 * torch.log(torch.full_like(y, 1e-30)).mean()

    return Scenario(model, optimizer, kit.sequences(80, 16, 5, width), kit.train(model, optimizer, criterion))
