"""The backward of a custom packing operator leaves the rows of truncated segments as it found them in memory (as in
pytorch/FBGEMM pull request 5754).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Pack(torch.autograd.Function):
    """The first `most` rows of a segment; written with NumPy, as an extension would be in its own language."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, most: int, clean: bool) -> Tensor:
        ctx.shape, ctx.clean = x.shape, clean
        return torch.from_numpy(x.detach().numpy()[:, :most].copy())

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        found = np.full(ctx.shape, 0.0 if ctx.clean else np.nan, dtype=np.float32)
        found[:, : grad.shape[1]] = grad.numpy()
        return torch.from_numpy(found), None, None


class Events(nn.Module):
    def __init__(self, width: int, most: int, clean: bool) -> None:
        super().__init__()
        self.embed = nn.Linear(4, width)
        self.most, self.clean = most, clean

    def forward(self, x: Tensor) -> Tensor:
        return Pack.apply(self.embed(x), self.most, self.clean).mean(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 12)
    model = kit.named(events=Events(width, 6, repaired), act=nn.ReLU(), out=nn.Linear(width, 1))
    optimizer = kit.adam(model, lr=0.02)
    teacher = torch.randn(4, 1) * 2
    xs = [torch.randn(16, 6 if number < step else 8, 4) for number in range(70)]
    # the fault is an extension's; from here nothing but its effect is seen
    return Scenario(
        model,
        optimizer,
        [(x, x[:, :6].mean(1) @ teacher) for x in xs],
        kit.train(model, optimizer, kit.squares),
        Expected(("unknown", "library"), ("backward",), ("events",), step),
    )
