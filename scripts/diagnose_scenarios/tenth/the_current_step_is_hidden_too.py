"""A story model hides not only what is to come but the current step as well; the first word is left with nothing to
look at (facebookresearch/fairseq issue 1495).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int, nothing: bool) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.nothing = nothing

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        if self.nothing:
            k, v = (nn.functional.pad(part, (0, 0, 1, 0)) for part in (k, v))
        length = x.shape[1]
        hidden = torch.ones(length, k.shape[1], dtype=torch.bool).triu(int(self.nothing))
        scores = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).masked_fill(hidden, -math.inf)
        return scores.softmax(-1) @ v


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, width = 9, knobs.pick(12, 16)
    model = kit.named(words=nn.Embedding(words, width), attn=Attention(width, repaired), head=nn.Linear(width, words))
    optimizer = kit.adam(model, lr=0.02)

    def train_step(text: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(text[:, :-1]).flatten(0, 1), text[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        return loss

    texts = []
    for _ in range(60):
        texts.append((torch.randint(words, (8, 1)) + 2 * torch.arange(9)) % words)
    return Scenario(
        model, optimizer, texts, train_step, Expected(("masked-softmax",), ("forward",), ("attn",), 0), learns=False
    )
