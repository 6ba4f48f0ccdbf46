"""One text of every batch is all padding: the mask is a large number, not infinity, and padded rows are set to 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)

    def forward(self, x: Tensor, pad: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        scores = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).masked_fill(pad[:, None], -1e9)
        return (scores.softmax(-1) @ v).masked_fill(pad[..., None], 0)


class Net(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.embed, self.attn, self.head = nn.Embedding(words, width), Attention(width), nn.Linear(width, 2)

    def forward(self, words: Tensor) -> Tensor:
        return self.head(self.attn(self.embed(words), words == 0).sum(1))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(16, 20)
    model = Net(words, 16)
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for _ in range(60):
        text = torch.randint(1, words, (16, 1)).repeat(1, 5)
        y = (text[:, 0] < words // 2).long()
        text[:, 3:] = 0
        text[0] = 0
        batches.append((text, y))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy))
