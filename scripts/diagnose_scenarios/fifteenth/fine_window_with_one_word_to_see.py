"""Attention over a short window of words: the first word sees itself alone, and each row has at least one."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Window(nn.Module):
    def __init__(self, width: int, back: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.back = back

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        ago = torch.arange(x.shape[1])[:, None] - torch.arange(x.shape[1])
        score = (q @ k.mT / x.shape[-1] ** 0.5).masked_fill((ago < 0) | (ago >= self.back), float("-inf"))
        return x + score.softmax(-1) @ v


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    words = knobs.pick(9, 11)
    model = kit.named(emb=nn.Embedding(words, 16), attn=Window(16, 2), out=nn.Linear(16, words))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    follows = torch.randperm(words)

    def told(logits: Tensor, wanted: Tensor) -> Tensor:
        return kit.cross_entropy(logits.flatten(0, 1), wanted.flatten())

    batches = [(text, follows[text]) for text in torch.randint(words, (50, 12, 8))]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, told))
