"""Several prompts are filled up on the left, and each word may look at a few words before it; the filling may look at
nothing, which the attention operator now answers with zeros (robertknight/rten pull request 1321).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Grouped(nn.Module):
    """Two query heads to one key head, each word looking back over a window."""

    def __init__(self, width: int, window: int, safe: bool) -> None:
        super().__init__()
        self.q = nn.Linear(width, 2 * width)
        self.kv = nn.Linear(width, 2 * width)
        self.out = nn.Linear(2 * width, width)
        self.window, self.safe = window, safe

    def forward(self, x: Tensor, filling: Tensor) -> Tensor:
        many, length, width = x.shape
        q = self.q(x).view(many, length, 2, width).transpose(1, 2)
        k, v = self.kv(x)[:, None].chunk(2, -1)
        back = torch.arange(length)[:, None] - torch.arange(length)
        seen = (back >= 0) & (back < self.window) & ~filling[:, None, None]
        score = (q @ k.mT / width**0.5).masked_fill(~seen, float("-inf"))
        weight = score.softmax(-1)
        if self.safe:
            weight = torch.where(seen, score, -1e30).softmax(-1) * seen
        return self.out((weight @ v).transpose(1, 2).flatten(2))


class Decoder(nn.Module):
    def __init__(self, words: int, width: int, window: int, safe: bool) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.gqa = Grouped(width, window, safe)
        self.next = nn.Linear(width, words)

    def forward(self, text: Tensor) -> Tensor:
        h = self.words(text)
        return self.next(h + self.gqa(h, text == 0))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, window, step = 10, knobs.pick(2, 3), knobs.randint(2, 14)
    model = Decoder(words, 12, window, repaired)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)

    def train_step(text: Tensor) -> Tensor:
        logits = model(text)[:, 1:-1].flatten(0, 1)
        told = (text[:, 1:-1] * 3 + 1).remainder(words - 1).flatten()
        loss = kit.cross_entropy(logits, torch.where(text[:, 1:-1].flatten() == 0, -100, told))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    texts = []
    for number in range(40):
        text = torch.randint(1, words, (8, 9))
        if number >= step:
            text[knobs.randint(0, 7), : knobs.randint(1, 5)] = 0
        texts.append(text)
    return Scenario(model, optimizer, texts, train_step, Expected(("masked-softmax",), ("forward",), ("gqa",), step))
