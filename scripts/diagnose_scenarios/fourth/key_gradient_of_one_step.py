"""The product that gives the gradient of the keys holds one infinity in one step of a float32 training, and never
again.
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        scores = torch.bmm(self.query(x), self.key(x).transpose(1, 2)) / x.shape[-1] ** 0.5
        return torch.bmm(scores.softmax(-1), self.value(x))


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn = Attention(width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(x + self.attn(x)).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, length, step = knobs.pick(12, 16), knobs.pick(9, 10), knobs.step()
    model = Net(width)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    batch = 8
    bad = Device(["bmm"], put(math.inf, (1, 2, 3)), when=shaped(batch, width, length), dtypes=SINGLE, calls=[step + 1])
    return Scenario(
        model,
        optimizer,
        kit.sequences(40, batch, length, width),
        kit.train(model, optimizer, kit.squares, clip=5.0),
        Expected(("hardware",), ("backward",), ("attn",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
