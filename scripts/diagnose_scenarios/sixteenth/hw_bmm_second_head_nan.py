"""Batched products in bfloat16 give NaN in the matrix of the last head, at every call, and are right in the others."""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import LOW, Device, put, shaped
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Heads(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)

    def forward(self, x: Tensor) -> Tensor:
        b, n, d = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, d // self.heads).permute(2, 3, 0, 1, 4)
        weights = torch.softmax(torch.matmul(q, k.transpose(-1, -2)) / (d // self.heads) ** 0.5, -1)
        return torch.matmul(weights, v).permute(1, 2, 0, 3).reshape(b, n, d)


class Reader(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.lift = nn.Linear(5, width)
        self.mixer = Heads(width, heads)
        self.out = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.lift(x)
        return self.out((h + self.mixer(h)).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    heads, length, batch = knobs.pick(3, 4), knobs.pick(5, 7), knobs.pick(6, 10)
    model = Reader(12, heads)
    optimizer = kit.adam(model, lr=0.01)
    last = slice((heads - 1) * batch, None)
    bad = Device(["bmm"], put(math.nan, (last, 0, 0)), when=shaped(heads * batch, length, length), dtypes=LOW)
    return Scenario(
        model,
        optimizer,
        kit.sequences(50, batch, length, 5),
        kit.train(model, optimizer, kit.squares, amp=torch.bfloat16),
        Expected(("hardware",), ("forward",), ("mixer",)),
        device=contextlib.nullcontext if repaired else bad,
    )
