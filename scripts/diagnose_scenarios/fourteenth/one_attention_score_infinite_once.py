"""One bfloat16 batched product gives one infinite attention score at one step, and is right before and after."""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import Device, put, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Mixer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        scores = torch.bmm(self.q(x), self.k(x).transpose(1, 2)) / x.shape[-1] ** 0.5
        return torch.bmm(scores.softmax(-1), self.v(x))


class Encoder(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = Mixer(width), Mixer(width)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.first(x)
        return self.head((x + self.second(x)).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, length, step = knobs.pick(12, 16), knobs.pick(5, 7), knobs.step()
    model = Encoder(width)
    optimizer = kit.adam(model, lr=0.005)
    # Of this shape each step has four: the scores of two layers forward, and two gradients of them backward.
    bad = Device(
        ["bmm"], put(math.inf, (1, 2, 3)), shaped(None, length, length), dtypes=(torch.bfloat16,), calls=[4 * step + 2]
    )
    return Scenario(
        model,
        optimizer,
        kit.sequences(50, 8, length, width),
        kit.train(model, optimizer, kit.squares, amp=torch.bfloat16),
        Expected(("hardware",), ("forward",), ("second",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
