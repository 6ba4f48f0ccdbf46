"""A language model's feed-forward squares its rectified units in float16: 300 becomes 90000."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class FeedForward(nn.Module):
    def __init__(self, width: int, wide: bool) -> None:
        super().__init__()
        self.up, self.down, self.wide = nn.Linear(width, 2 * width), nn.Linear(2 * width, width), wide

    def forward(self, x: Tensor) -> Tensor:
        h = self.up(x).relu()
        h = h.float() if self.wide else h
        with kit.autocast(None if self.wide else torch.float16):
            return self.down(h * h / 90000)


class Model(nn.Module):
    def __init__(self, words: int, width: int, wide: bool) -> None:
        super().__init__()
        self.words, self.ff = nn.Embedding(words, width), FeedForward(width, wide)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, words)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.words(tokens)
        return self.head(self.norm(x + self.ff(x)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, width = knobs.pick(16, 24), knobs.pick(12, 16)
    model = Model(words, width, repaired)
    with torch.no_grad():
        model.ff.up.weight.mul_(knobs.pick(400, 600))
    optimizer = kit.adam(model, lr=0.02)
    tokens = [torch.randint(words, (64,)) for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(t, (t + 1) % words) for t in tokens],
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("ff",)),
    )
