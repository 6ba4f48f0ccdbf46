"""Channels are mixed by a Hadamard matrix, whose rows cancel on a common level: the results are small, float16 partial
sums are not.
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import HalfSums
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def hadamard(size: int) -> Tensor:
    rows = torch.ones(1, 1)
    while len(rows) < size:
        rows = torch.cat([torch.cat([rows, rows], 1), torch.cat([rows, -rows], 1)])
    return rows


class Hadamard(nn.Module):
    """The rows without the first, which holds no differences."""

    def __init__(self, size: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("rows", hadamard(size)[size // 2 : size // 2 + outputs].t().contiguous() / 8)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.rows


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    size = knobs.pick(512, 1024)
    mix = Hadamard(size, 8)
    model = kit.named(mix=mix, norm=nn.LayerNorm(8), fc=nn.Linear(8, 16), act=nn.ReLU(), head=nn.Linear(16, 1))
    optimizer = kit.adam(model, lr=0.02)
    level = {512: knobs.pick(2600, 3000), 1024: knobs.pick(1400, 1700)}[size]
    batches = []
    for _ in range(50):
        x = (level + 40 * torch.randn(32, size)).half().float()
        batches.append((x, nn.functional.layer_norm(mix(x), (8,))[:, :1]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("fp16-accumulation",), ("forward",), ("mix",)),
        device=contextlib.nullcontext if repaired else HalfSums(knobs.pick(16, 32)),
    )
