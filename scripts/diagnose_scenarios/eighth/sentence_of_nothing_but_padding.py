"""Documents are padded to a number of sentences; the attention over the words of a sentence that is all padding has
nothing to choose from (alexTsaptsinos/lyricsHAN issue 3).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class WordAttention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, x: Tensor, pad: Tensor) -> Tensor:
        scores = self.score(x.tanh()).squeeze(-1).masked_fill(pad, -math.inf)
        return (scores.softmax(-1)[..., None] * x).sum(-2)


class Han(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.word = WordAttention(width)
        self.rnn = nn.GRU(width, width, batch_first=True)
        self.head = nn.Linear(width, 2)

    def forward(self, text: Tensor) -> Tensor:
        h = self.word(self.embed(text), text == 0)
        return self.head(self.rnn(h)[0].mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, words = knobs.step(), knobs.pick(24, 32)
    model = Han(words, 12)
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for number in range(60):
        text = torch.randint(1, words, (12, 4, 5))
        y = (text[:, 0, 0] > words // 2).long()
        text[:, 0] = text[:, 0, :1]
        text[:, :, 3:] = 0
        if number == step:
            text[knobs.randint(0, 11), 3, (1 if repaired else 0) :] = 0
        batches.append((text, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("masked-softmax",), ("forward",), ("word",), step),
    )
