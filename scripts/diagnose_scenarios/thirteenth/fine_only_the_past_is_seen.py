"""Two causal layers in bfloat16 whose scores hold minus infinity above the diagonal."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Layer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm, self.heads = nn.LayerNorm(width), heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(self.norm(x)).view(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        later = torch.full((n, n), -math.inf).triu(1)
        scores = q @ k.mT / (c // self.heads) ** 0.5 + later.to(q.dtype)
        return x + self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(b, n, c))


class Net(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(words, width)
        self.layers = nn.Sequential(Layer(width, 2), Layer(width, 2))
        self.head = nn.Linear(width, words)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.layers(self.table(ids))).transpose(1, 2)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(8, 10)
    model = Net(words, 12)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    batches = []
    for _ in range(60):
        ids = (torch.randint(words, (12, 1)) + torch.arange(8) * torch.randint(1, 3, (12, 1))) % words
        batches.append((ids[:, :-1], ids[:, 1:]))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy, amp=torch.bfloat16))
