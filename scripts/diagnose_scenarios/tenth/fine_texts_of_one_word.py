"""Texts have one word to nine, and attention hides their padding; a text of one word looks at itself with a weight of
exactly one, and its scores get no gradient.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.mha = nn.MultiheadAttention(width, 2, batch_first=True)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        return self.norm(x + self.mha(x, x, x, key_padding_mask=hidden, need_weights=False)[0])


class Net(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width, padding_idx=0)
        self.attn = Attention(width)
        self.head = nn.Linear(width, 1)

    def forward(self, text: Tensor) -> Tensor:
        real = text > 0
        h = self.attn(self.words(text), ~real) * real[..., None]
        return self.head(h.sum(1) / real.sum(1, keepdim=True))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Net(20, knobs.pick(8, 12))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    mood = torch.randn(20)
    batches = []
    for _ in range(60):
        length = torch.randint(1, 10, (24, 1))
        length[0] = 1
        text = torch.randint(1, 20, (24, 9)) * (torch.arange(9) < length)
        batches.append((text, (mood[text] * (text > 0)).sum(1, keepdim=True) / length * 2))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares))
