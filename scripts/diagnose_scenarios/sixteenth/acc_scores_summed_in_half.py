"""Attention scores of long heads are added in float16 block by block: partial sums pass 65504 although scores are
small.
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import HalfSums
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attend(nn.Module):
    def __init__(self, width: int, level: float) -> None:
        super().__init__()
        self.width, self.level = width, level
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        ones = self.level * torch.ones(self.width, dtype=x.dtype)
        flat = torch.cat([ones, -ones]).expand(*x.shape[:-1], -1)
        q = torch.cat([self.q(x), flat], -1)
        k = torch.cat([self.k(x), self.level * torch.ones_like(flat)], -1)
        scores = torch.bmm(q, k.transpose(1, 2)) / self.width**0.5
        return torch.bmm(scores.softmax(-1), self.v(x))


class Net(nn.Module):
    def __init__(self, width: int, level: float) -> None:
        super().__init__()
        self.attend = Attend(width, level)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head((x + self.attend(x)).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, level = knobs.pick(96, 128), knobs.pick(32.0, 36.0)
    model = Net(width, level)
    optimizer = kit.adam(model, lr=0.002)
    return Scenario(
        model,
        optimizer,
        kit.sequences(40, 8, 6, width),
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("fp16-accumulation",), ("forward",), ("attend",)),
        device=contextlib.nullcontext if repaired else HalfSums(32),
    )
