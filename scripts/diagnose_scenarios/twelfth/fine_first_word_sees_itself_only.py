"""A causal mask of infinities leaves the first word nothing but itself; no row is without an entry."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Causal(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        later = torch.ones(x.shape[1], x.shape[1]).triu(1).bool()
        return x + (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(later, -torch.inf).softmax(-1) @ v


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(8, 10)
    model = kit.named(embed=nn.Embedding(words, 16), attn=Causal(16), head=nn.Linear(16, words))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    follow = torch.randperm(words)

    def train_step(text: Tensor) -> Tensor:
        loss = nn.functional.cross_entropy(model(text).mT, follow[text])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(model, optimizer, [torch.randint(words, (8, 6)) for _ in range(50)], train_step)
