"""A causal mask hides every word's own place too: the first word may look at nothing."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int, diagonal: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.diagonal = diagonal

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        scores = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
        hidden = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(self.diagonal)
        return scores.masked_fill(hidden, -math.inf).softmax(-1) @ v


class Net(nn.Module):
    def __init__(self, width: int, diagonal: int) -> None:
        super().__init__()
        self.attn = Attention(width, diagonal)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x + self.attn(x)).mean(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = Net(width, 1 if repaired else 0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    return Scenario(
        model,
        optimizer,
        kit.sequences(50, 16, knobs.pick(6, 8), width),
        kit.train(model, optimizer, kit.squares, clip=1.0),
        Expected(("masked-softmax",), ("forward",), ("attn",)),
    )
