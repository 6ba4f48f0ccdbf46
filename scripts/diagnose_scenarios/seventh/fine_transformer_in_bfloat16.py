"""A small encoder under bfloat16 autocast with padding that is masked by the smallest number of the type."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Layer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)

    def forward(self, x: Tensor, padded: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).chunk(3, -1)
        scores = q @ k.transpose(1, 2) / x.shape[-1] ** 0.5
        scores = scores.masked_fill(padded[:, None], torch.finfo(scores.dtype).min)
        return x + scores.softmax(-1) @ v


class Encoder(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.layer = Layer(width)
        self.head = nn.Linear(width, words)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.layer(self.embed(tokens), tokens == 0)).transpose(1, 2)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    words = 9
    model = Encoder(words, knobs.pick(12, 16))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    batches = []
    for _ in range(50):
        x = torch.randint(1, words, (16, 6))
        x[::2, 4:] = 0
        batches.append((x, (x * 2) % words))
    return Scenario(
        model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy, amp=torch.bfloat16, clip=1.0)
    )
