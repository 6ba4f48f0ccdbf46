"""Texts are padded on the left under a causal mask: the first positions of a short text see padding alone (as in
tracel-ai/burn pull request 4697).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class CausalAttention(nn.Module):
    def __init__(self, width: int, plain: bool) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.plain = plain

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        length = x.shape[1]
        allowed = torch.ones(length, length, dtype=torch.bool).tril() & real[:, None]
        if not self.plain:
            allowed = allowed | torch.eye(length, dtype=torch.bool)
        scores = (q @ k.transpose(1, 2) / x.shape[-1] ** 0.5).masked_fill(~allowed, -torch.inf)
        return scores.softmax(-1) @ v


class Decoder(nn.Module):
    def __init__(self, words: int, width: int, plain: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.self_attn = CausalAttention(width, plain)
        self.lm_head = nn.Linear(width, words)

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.embed(tokens)
        return self.lm_head(h + self.self_attn(h, tokens != 0)).transpose(1, 2)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, words = knobs.step(), 8
    model = Decoder(words, knobs.pick(12, 16), not repaired)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        return nn.functional.cross_entropy(p, y, ignore_index=0)

    batches = []
    for number in range(60):
        start = torch.randint(7, (16, 1))
        text = (start + torch.arange(7)) % 7 + 1
        if number >= step:
            text[2, : knobs.randint(1, 3)] = 0
        batches.append((text[:, :-1], text[:, 1:]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("masked-softmax",), ("forward",), ("self_attn",), step),
    )
