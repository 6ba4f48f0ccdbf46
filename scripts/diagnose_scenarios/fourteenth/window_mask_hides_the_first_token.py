"""A mask for tokens strictly before the present one: the first token has none, and its row of scores is empty."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class LocalAttention(nn.Module):
    def __init__(self, width: int, window: int, present: int) -> None:
        super().__init__()
        self.qk, self.v = nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.window, self.present = window, present

    def forward(self, x: Tensor) -> Tensor:
        q, k = self.qk(x).chunk(2, -1)
        place = torch.arange(x.shape[1])
        back = place[:, None] - place
        hidden = (back < self.present) | (back > self.window)
        scores = torch.einsum("bid,bjd->bij", q, k) / x.shape[-1] ** 0.5
        return scores.masked_fill(hidden, -math.inf).softmax(-1) @ self.v(x)


class Net(nn.Module):
    def __init__(self, words: int, width: int, window: int, present: int) -> None:
        super().__init__()
        self.words, self.local = nn.Embedding(words, width), LocalAttention(width, window, present)
        self.out = nn.Linear(2 * width, words)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.words(tokens)
        return self.out(torch.cat([x, self.local(x)], -1)).flatten(0, 1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, width = knobs.pick(8, 10), knobs.pick(10, 14)
    model = Net(words, width, knobs.pick(3, 4), 0 if repaired else 1)
    optimizer = kit.adam(model, lr=0.02)
    texts = [torch.randint(words, (8, 9)) for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(t, ((t + 3) % words).flatten()) for t in texts],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("masked-softmax",), ("forward",), ("local",)),
    )
