"""Looking up words returns vectors with NaN for the last text as soon as a batch holds 96 words or more."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Bag(nn.Module):
    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.table, self.act, self.head = nn.Embedding(words, width), nn.Tanh(), nn.Linear(width, 3)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.act(self.table(ids)).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, words, length = knobs.randint(2, 12), knobs.pick(30, 50), knobs.pick(12, 14)
    model = Bag(words, knobs.pick(8, 12))
    optimizer = kit.adam(model, lr=0.05)
    labels = torch.randint(3, (words,))

    def batch(number: int) -> Any:
        rows, long = 8, length if number >= step else 6
        kind = torch.randint(3, (rows,))
        ids = torch.randint(words, (rows, long))
        likely = torch.stack([torch.nonzero(labels == k)[0] for k in kind])
        return torch.where(torch.rand(rows, long) < 0.6, likely, ids), kind

    def damage(call: Call) -> None:
        call.out[-1, :, ::2] = float("nan")

    bad = Device(["embedding"], damage, when=lambda call: call.args[1].numel() >= 96, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        [batch(number) for number in range(60)],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("hardware",), ("forward",), ("table",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
