"""Attention looks back over a short window; beside a long text a short one is padded so far that the whole window of
its last places is padding (huggingface/transformers pull request 45511).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Local(nn.Module):
    def __init__(self, width: int, window: int, opened: bool) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.window, self.opened = window, opened

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        at = torch.arange(x.shape[1])
        near = (at[:, None] - at).clamp(min=-1)
        seen = ((near >= 0) & (near < self.window)) & real[:, None, :]
        if self.opened:
            seen = seen | ~seen.any(-1, keepdim=True)
        bias = torch.zeros(seen.shape).masked_fill(~seen, -math.inf)
        scores = self.q(x) @ self.k(x).transpose(1, 2) / x.shape[-1] ** 0.5
        return x + torch.softmax(scores + bias, -1) @ self.v(x)


class Embedder(nn.Module):
    def __init__(self, words: int, width: int, window: int, opened: bool) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.local = Local(width, window, opened)
        self.head = nn.Linear(width, 1)

    def forward(self, text: Tensor) -> Tensor:
        real = text >= 0
        h = self.local(self.words(text.clamp(min=0)), real) * real[..., None]
        return self.head(h.sum(1) / real.sum(1, keepdim=True))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, window = knobs.randint(6, 15), knobs.pick(4, 5)
    model = Embedder(15, 12, window, repaired)
    optimizer = kit.adam(model, lr=0.01)
    mood = torch.randn(15)
    batches = []
    for number in range(60):
        text = torch.randint(15, (12, 14))
        text[0, 14 - (window - 1) :] = -1
        if number == step:
            text[knobs.randint(1, 11), knobs.randint(3, 6) :] = -1
        wanted = (mood[text.clamp(min=0)] * (text >= 0)).sum(1) / (text >= 0).sum(1)
        batches.append((text, 3 * wanted[:, None]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("masked-softmax",), ("forward",), ("local",), step),
    )
