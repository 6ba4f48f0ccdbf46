"""Padding on the left and a causal mask together leave the first positions of a short text nothing to look at."""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.qkv, self.heads = nn.Linear(width, 3 * width), heads

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        seen = torch.ones(n, n, dtype=torch.bool).tril() & real[:, None, None, :]
        scores = (q @ k.mT / (c // self.heads) ** 0.5).masked_fill(~seen, -math.inf)
        return (scores.softmax(-1) @ v).transpose(1, 2).reshape(b, n, c)


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention, self.out = SelfAttention(width, 2), nn.Linear(width, 1)

    def forward(self, batch: Any) -> Tensor:
        return self.out(batch[0] + self.attention(*batch))[:, -1]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width, length = knobs.randint(8, 20), knobs.pick(8, 12), 7
    model = Net(width)
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for number in range(60):
        x, real = torch.randn(8, length, width), torch.ones(8, length, dtype=torch.bool)
        pad = knobs.randint(1, 3)
        if number >= step:
            real[knobs.randint(0, 7), slice(-pad, None) if repaired else slice(0, pad)] = False
        batches.append(((x, real), x[:, -1, :1] - x[:, -1, 1:2]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("masked-softmax",), ("forward",), ("attention",), step),
    )
