"""A decoder may look at the words before its own, and at none that is padding; filled up on the left, the first rows of
its attention are left with no word at all (pytorch/pytorch issue 119371).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn

PAD = 0


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, safe: bool) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.heads, self.safe = heads, safe

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        many, length, width = x.shape
        q, k, v = self.qkv(x).reshape(many, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        score = q @ k.transpose(-1, -2) / (width // self.heads) ** 0.5
        hidden = torch.ones(length, length).triu(1).bool() | padding[:, None, None]
        if self.safe:
            hidden = hidden & ~torch.eye(length).bool()
        weight = score.masked_fill(hidden, float("-inf")).softmax(-1)
        return self.out((weight @ v).transpose(1, 2).flatten(2))


class Decoder(nn.Module):
    def __init__(self, tokens: int, width: int, length: int, safe: bool) -> None:
        super().__init__()
        self.emb = nn.Embedding(tokens, width, padding_idx=PAD)
        self.pos = nn.Parameter(0.02 * torch.randn(length, width))
        self.attn = Attention(width, 2, safe)
        self.fin_lin = nn.Linear(width, tokens)

    def forward(self, text: Tensor) -> Tensor:
        h = self.emb(text) + self.pos
        return self.fin_lin(h + self.attn(h, text == PAD))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    tokens, length, step = 11, knobs.pick(7, 8), knobs.randint(5, 20)
    model = Decoder(tokens, 16, length, repaired)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    follows = 1 + torch.randperm(tokens - 1)

    def train_step(text: Tensor) -> Tensor:
        wanted = torch.where(text == PAD, -100, follows[(text - 1).clamp(min=0)])
        loss = nn.functional.cross_entropy(model(text).flatten(0, 1), wanted.flatten(), ignore_index=-100)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    texts = []
    for number in range(60):
        text = torch.randint(1, tokens, (12, length))
        if number == step:
            text[knobs.randint(0, 11), : knobs.randint(1, 4)] = PAD
        texts.append(text)
    return Scenario(model, optimizer, texts, train_step, Expected(("masked-softmax",), ("forward",), ("attn",), step))
