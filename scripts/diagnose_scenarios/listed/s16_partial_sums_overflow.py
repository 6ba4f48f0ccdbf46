"""A long dot product whose terms cancel: partial sums added in float16 pass 65504, the result is small."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import HalfSums
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Twice(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, x], -1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(256, 320)
    fc = nn.Linear(2 * width, 8)
    with torch.no_grad():
        half, signal = torch.rand(8, width) + knobs.pick(5, 6), 0.3 * torch.randn(8, width)
        fc.weight.copy_(torch.cat([half, -half + signal - signal.mean(1, keepdim=True)], 1))
    fc.requires_grad_(False)
    model = kit.named(twice=Twice(), fc=fc, norm=nn.LayerNorm(8), head=nn.Linear(8, 1))
    optimizer = torch.optim.Adam([*model.norm.parameters(), *model.head.parameters()], lr=0.03)
    level = knobs.pick(60, 80)
    batches = [(level + x, fc(torch.cat([x, x], 1))[:, :1].sign()) for x, _ in kit.regression(60, 32, width)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("fp16-accumulation",), ("forward",), ("fc",)),
        device=contextlib.nullcontext if repaired else HalfSums(knobs.pick(16, 32)),
    )
