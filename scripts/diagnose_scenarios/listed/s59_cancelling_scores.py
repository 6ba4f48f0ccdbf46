"""Attention scores whose terms cancel: partial sums in float16 pass 65504, the score itself is small."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import HalfSums
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int, level: float) -> None:
        super().__init__()
        self.value = nn.Linear(width, width)
        self.level = level

    def forward(self, x: Tensor) -> Tensor:
        flat = torch.full_like(x, self.level)
        left, right = torch.cat([flat, flat, x], -1).half(), torch.cat([flat, -flat, x], -1).half()
        scores = left @ right.transpose(1, 2)
        return (scores / x.shape[-1] ** 0.5).softmax(-1) @ self.value(x)


class Net(nn.Module):
    def __init__(self, width: int, level: float) -> None:
        super().__init__()
        self.attn = Attention(width, level)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.attn(x).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, level = knobs.pick(64, 96), knobs.pick(40.0, 50.0)
    model = Net(width, level)
    optimizer = kit.adam(model, lr=0.003)
    return Scenario(
        model,
        optimizer,
        kit.sequences(60, 8, 4, width),
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("fp16-accumulation",), ("forward",), ("attn",)),
        device=contextlib.nullcontext if repaired else HalfSums(knobs.pick(16, 32)),
    )
