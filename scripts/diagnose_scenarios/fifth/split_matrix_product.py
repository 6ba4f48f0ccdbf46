"""A float16 product splits its long sum over blocks and adds their results in float16: the blocks of a difference of
two loud channels are beyond 65504 (pytorch/pytorch pull request 67946).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import HalfSums
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class StereoNet(nn.Module):
    def __init__(self, taps: int, width: int) -> None:
        super().__init__()
        self.difference = nn.Linear(2 * taps, width, bias=False)
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, 3)
        left = 6 + torch.rand(width, taps)
        self.difference.weight.data = torch.cat([left, -left + 0.002 * torch.randn(width, taps)], 1)
        self.difference.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.norm(self.difference(x)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    taps = knobs.pick(256, 288)
    model = StereoNet(taps, 12)
    optimizer = torch.optim.AdamW([*model.norm.parameters(), *model.out.parameters()], lr=0.03)
    level = knobs.pick(60.0, 70.0)
    sides = torch.randn(3, taps)
    sides -= sides.mean(1, keepdim=True)
    batches = []
    for _ in range(60):
        y = torch.randint(3, (24,))
        both = level + 0.1 * torch.randn(24, taps)
        batches.append((torch.cat([both + 0.3 * sides[y], both - 0.3 * sides[y]], 1), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-accumulation",), ("forward",), ("difference",)),
        device=contextlib.nullcontext if repaired else HalfSums(knobs.pick(32, 64)),
    )
