"""Bilinear pooling adds products of 30 x 40 that cancel in the end; the partial sums in float16 are infinite."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import HalfSums
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Bilinear(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        rows = x.shape[1]
        sign = torch.ones(rows, 1)
        sign[rows // 2 :] = -1
        left, right = (torch.full_like(x, 30) + x) * sign, torch.full_like(x, 40) + x
        return torch.bmm(left.transpose(1, 2), right).flatten(1) / rows


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, rows = knobs.pick(4, 5), knobs.pick(192, 256)
    model = kit.named(
        inp=nn.Linear(4, width), pool=Bilinear(), norm=nn.LayerNorm(width * width), head=nn.Linear(width * width, 2)
    )
    optimizer = kit.adam(model, lr=0.02)
    labels = [torch.randint(2, (6,)) for _ in range(50)]
    ramp = torch.linspace(-1, 1, rows)[None, :, None]
    batches = [(torch.randn(6, rows, 4) + ramp * (2 * y[:, None, None] - 1), y) for y in labels]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-accumulation",), ("forward",), ("pool",)),
        device=contextlib.nullcontext if repaired else HalfSums(knobs.pick(16, 32)),
    )
