"""The mask of padding is laid over queries where it belongs over keys: together with the causal mask, the rows of
padded words see nothing at all (hyunwoongko/transformer pull request 40).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int, along_keys: bool) -> None:
        super().__init__()
        self.heads, self.along_keys = heads, along_keys
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) / (width / self.heads) ** 0.5
        padding = real[:, None, None, :] if self.along_keys else real[:, None, :, None]
        seen = padding & torch.ones(length, length, dtype=torch.bool).tril()
        shares = scores.masked_fill(~seen, -math.inf).softmax(-1)
        return self.out((shares @ v).transpose(1, 2).reshape(batch, length, width))


class Decoder(nn.Module):
    def __init__(self, words: int, width: int, along_keys: bool) -> None:
        super().__init__()
        self.emb = nn.Embedding(words, width, padding_idx=0)
        self.attn = SelfAttention(width, 2, along_keys)
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, words)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.emb(tokens)
        return self.out(self.norm(x + self.attn(x, tokens != 0)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, words, length = knobs.step(), 12, knobs.pick(7, 8)
    model = Decoder(words, 16, repaired)
    optimizer = kit.adam(model, lr=0.02)

    def criterion(logits: Tensor, target: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits.transpose(1, 2), target, ignore_index=0)

    follower = torch.randperm(words - 1) + 1
    batches = []
    for number in range(60):
        tokens = [torch.randint(1, words, (8,))]
        while len(tokens) <= length:
            tokens.append(follower[tokens[-1] - 1])
        text = torch.stack(tokens, 1)
        if number >= step:
            text[2, 5:] = 0
        batches.append((text[:, :-1], text[:, 1:]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("masked-softmax",), ("forward",), ("attn",), step),
    )
