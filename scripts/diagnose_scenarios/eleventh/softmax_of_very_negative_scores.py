"""The softmax of an accelerated library gives no number for scores that are extremely negative, as a mask makes them;
the fault is known there and mended in its next version (apache/mxnet issue 13141).
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attend(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)
        self.value = nn.Linear(width, width)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        score = self.score(x)[..., 0].masked_fill(~real, -1e18)
        return (score.softmax(1)[..., None] * self.value(x)).sum(1)


class Tagger(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(inputs, width)
        self.attend = Attend(width)
        self.out = nn.Linear(width, 3)

    def forward(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        x, real = batch
        return self.out(self.attend(self.proj(x).tanh(), real))


def spoilt(call: Call) -> None:
    low = call.args[0].amin(-1) < -1e9
    call.out[low] = math.nan


def masked(call: Call) -> bool:
    return bool((call.args[0] < -1e9).any())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(5, 24)
    model = Tagger(6, knobs.pick(16, 20))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    means = torch.randn(3, 6)
    batches = []
    for number in range(50):
        y = torch.randint(3, (16,))
        x = means[y][:, None] + torch.randn(16, 7, 6)
        real = torch.ones(16, 7, dtype=torch.bool)
        if number == step:
            real[knobs.randint(0, 15), knobs.randint(3, 6) :] = False
        batches.append(((x, real), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("library",), ("forward",), ("attend",), step),
        device=contextlib.nullcontext if repaired else Device(["_softmax"], spoilt, when=masked, dtypes=SINGLE),
    )
