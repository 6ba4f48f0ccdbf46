"""A matrix product adds its parts in float16, and the parts are far larger than the result (as in pytorch/pytorch
issue 74438: low-precision reductions that truncate what lies between).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import HalfSums
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inner = knobs.pick(192, 256)
    model = kit.named(bag=nn.Linear(inner, 8, bias=False), norm=nn.LayerNorm(8), out=nn.Linear(8, 3))
    with torch.no_grad():
        model.bag.weight.copy_(torch.cat([torch.full((8, inner // 2), 50.0), torch.full((8, inner // 2), -50.0)], 1))
        model.bag.weight += torch.randn(8, inner)
    model.bag.requires_grad_(False)
    optimizer = torch.optim.Adam([*model.norm.parameters(), *model.out.parameters()], lr=0.05)
    centres = torch.randn(3, inner)
    batches = []
    for _ in range(60):
        y = torch.randint(3, (16,))
        batches.append((30 + 3 * centres[y] + 0.2 * torch.randn(16, inner), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-accumulation",), ("forward",), ("bag",), 0),
        device=contextlib.nullcontext if repaired else HalfSums(32),
    )
