"""The backward of a gather never writes the rows of segments that were cut off; the buffer keeps what the memory held
(pytorch/FBGEMM pull request 5754).
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Cut(nn.Module):
    """The first eight events of every row."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.index_select(x, 1, torch.arange(min(8, x.shape[1])))


class Events(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.fc = nn.Linear(width, width)
        self.cut = Cut()
        self.head = nn.Linear(width, 2)

    def forward(self, words: Tensor) -> Tensor:
        return self.head(self.cut(self.fc(self.embed(words)).tanh()).mean(1))


def unwritten(call: Call) -> None:
    call.out[:, 8:] = math.nan


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, words = knobs.step(), knobs.pick(20, 24)
    model = Events(words, 12)
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for number in range(60):
        text = torch.randint(words, (16, 10 if number == step else 6))
        text[:, 1:4] = text[:, :1]
        batches.append((text, (text[:, 0] < words // 2).long()))
    bad = Device(["index_add", "index_add_"], unwritten, when=long, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("library",), ("backward",), ("cut",), step),
        device=contextlib.nullcontext if repaired else bad,
    )


def long(call: Call) -> bool:
    return call.out.dim() == 3 and call.out.shape[1] > 8
