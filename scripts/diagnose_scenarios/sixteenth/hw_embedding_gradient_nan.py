"""The kernel that sums gradients into an embedding table writes NaN into the row of one id, only when the id occurs."""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Tagger(nn.Module):
    def __init__(self, words: int, width: int, tags: int) -> None:
        super().__init__()
        self.table = nn.Embedding(words, width)
        self.mix = nn.Linear(width, width)
        self.tag = nn.Linear(width, tags)

    def forward(self, ids: Tensor) -> Tensor:
        return self.tag(torch.tanh(self.mix(self.table(ids)))).flatten(0, 1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    words, tags, step = knobs.pick(20, 30), knobs.pick(3, 4), knobs.step()
    model = Tagger(words, 12, tags)
    optimizer = kit.adam(model, lr=0.02)
    rare = words - 1
    meaning = torch.randint(tags, (words,))
    texts = [torch.randint(words - 1, (6, 7)) for _ in range(50)]
    for text in texts[step:]:
        text[0, 3] = rare
    bad = Device(
        ["embedding_dense_backward"],
        put(math.nan, (rare, 1)),
        when=lambda call: bool((call.args[1] == rare).any()),
        dtypes=SINGLE,
    )
    return Scenario(
        model,
        optimizer,
        [(text, meaning[text].flatten()) for text in texts],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("backward",), ("table",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
