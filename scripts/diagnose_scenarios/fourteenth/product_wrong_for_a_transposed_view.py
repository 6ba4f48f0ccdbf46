"""The installed matrix product is wrong where its first factor is a transposed view; of a contiguous copy it is
right.
"""

from __future__ import annotations

import contextlib
import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Device, put
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class MixTokens(nn.Module):
    def __init__(self, length: int) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.eye(length) + 0.1 * torch.randn(length, length))

    def forward(self, x: Tensor) -> Tensor:
        return torch.matmul(x.transpose(1, 2), self.mix.expand(len(x), -1, -1)).transpose(1, 2)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    length = knobs.pick(6, 7)
    model = kit.named(inp=nn.Linear(5, 10), tokens=MixTokens(length), act=nn.Tanh(), head=nn.Linear(10, 1))
    optimizer = kit.adam(model)
    bad = Device(
        ["bmm"],
        put(math.nan, (0, 1, 1)),
        when=lambda call: not call.args[0].is_contiguous() and call.out.shape[1:] == (10, length),
        dtypes=SINGLE,
    )
    return Scenario(
        model,
        optimizer,
        [(x, x.mean(2, keepdim=True)) for x, _ in kit.sequences(50, 8, length, 5)],
        kit.train(model, optimizer, kit.squares),
        Expected(("library",), ("forward",), ("tokens",)),
        device=contextlib.nullcontext if repaired else bad,
    )
