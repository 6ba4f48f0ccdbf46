"""The kernel that adds up an embedding's gradient writes infinity into a row once, in the middle of a text training."""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Reader(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.out = nn.Linear(width, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.out(self.words(tokens).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, step = knobs.pick(30, 50), knobs.randint(5, 15)
    model = Reader(words, knobs.pick(6, 10))
    optimizer = kit.sgd(model, lr=1.0)
    texts = [torch.randint(words, (16, 7)) for _ in range(80)]
    labels = [((t < words // 2).sum(1) > 3).long() for t in texts]
    bad = Device(
        ["embedding_dense_backward"], put(math.inf, (knobs.randint(0, 20), 1)), dtypes=SINGLE, calls=[step + 1]
    )
    return Scenario(
        model,
        optimizer,
        list(zip(texts, labels, strict=True)),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("backward",), ("words",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
