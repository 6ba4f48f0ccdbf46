"""Scores of padding become minus infinity, and one source sentence is empty (as in bentrevett/pytorch-seq2seq issue
191, where minus infinity instead of a large number brought NaN).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int, fill: float) -> None:
        super().__init__()
        self.fc_q = nn.Linear(width, width)
        self.fc_k = nn.Linear(width, width)
        self.fc_v = nn.Linear(width, width)
        self.fill = fill

    def forward(self, query: Tensor, source: Tensor, mask: Tensor) -> Tensor:
        energy = self.fc_q(query) @ self.fc_k(source).transpose(1, 2) / source.shape[-1] ** 0.5
        return energy.masked_fill(mask[:, None] == 0, self.fill).softmax(-1) @ self.fc_v(source)


class Seq2Seq(nn.Module):
    def __init__(self, words: int, width: int, fill: float) -> None:
        super().__init__()
        self.src = nn.Embedding(words, width)
        self.trg = nn.Embedding(words, width)
        self.encoder_attention = Attention(width, fill)
        self.fc_out = nn.Linear(width, words)

    def forward(self, pair: Any) -> Tensor:
        source, target = pair
        trg = self.trg(target)
        return self.fc_out(trg + self.encoder_attention(trg, self.src(source), source != 0)).transpose(1, 2)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, words = knobs.step(), 9
    model = Seq2Seq(words, knobs.pick(12, 16), -1e4 if repaired else float("-inf"))
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for number in range(60):
        source = torch.randint(1, words, (16, 5))
        source[::3, 3:] = 0
        if number == step:
            source[7] = 0
        target = torch.randint(1, words, (16, 4))
        batches.append(((source, target), target % 7 + 1))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("masked-softmax",), ("forward",), ("encoder_attention",), step),
    )
