"""Attention scores q.k without 1/sqrt(d): above 65504 in float16."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int, scaled: bool) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.factor = 1 / width if scaled else 1.0

    def forward(self, x: Tensor) -> Tensor:
        q = self.query(x)
        scores = (q * self.factor) @ q.transpose(1, 2)
        return scores.softmax(-1) @ self.value(x)


class Net(nn.Module):
    def __init__(self, width: int, scaled: bool) -> None:
        super().__init__()
        self.attn = Attention(width, scaled)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.attn(x)).mean(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(64, 96, 128)
    model = Net(width, repaired)
    with torch.no_grad():
        model.attn.query.weight.mul_(knobs.pick(60, 80))
    optimizer = kit.adam(model, lr=0.003)
    return Scenario(
        model,
        optimizer,
        kit.sequences(60, 8, 6, width),
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("attn",)),
    )
