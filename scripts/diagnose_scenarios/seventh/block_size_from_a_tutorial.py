"""A small GPT is trained with a learning rate a thousand times too high after its block size was halved (as in
karpathy/nanoGPT issue 136, where a lower rate cured it).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.ln(x))[:, None].chunk(3, -1)
        return x + self.proj(nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)[:, 0])


class TinyGPT(nn.Module):
    def __init__(self, words: int, length: int, width: int) -> None:
        super().__init__()
        self.wte = nn.Embedding(words, width)
        self.wpe = nn.Parameter(0.02 * torch.randn(length, width))
        self.h = nn.Sequential(Block(width), Block(width))
        self.head = nn.Linear(width, words)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.h(self.wte(tokens) + self.wpe)).transpose(1, 2)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, length = 11, knobs.pick(8, 10)
    model = TinyGPT(words, length, knobs.pick(16, 24))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3 if repaired else knobs.pick(4.0, 6.0), betas=(0.9, 0.95))
    batches = []
    for _ in range(60):
        start, stride = torch.randint(words, (16, 1)), torch.randint(1, 3, (16, 1))
        text = (start + stride * torch.arange(length + 1)) % words
        batches.append((text[:, :-1], text[:, 1:]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, clip=1.0),
        Expected(("learning-rate",), (), (), None, "diverges"),
    )
