"""A matrix product in float16 may be reduced in float16 on a card: queries times keys cancel to a small score, and the
partial sums in between do not fit (pytorch/pytorch pull request 67946).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import HalfSums
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Contrast(nn.Module):
    """Keys hold a level plus something, and minus that level plus something else."""

    def __init__(self, width: int, level: float) -> None:
        super().__init__()
        self.level = level
        self.query = nn.Linear(8, width)
        self.left, self.right = nn.Linear(8, width), nn.Linear(8, width)

    def forward(self, x: Tensor) -> Tensor:
        q = self.query(x).sigmoid() + 7.5
        k = torch.cat([self.left(x) + self.level, -self.right(x) - self.level], -1)
        scores = torch.bmm(torch.cat([q, q], -1), k.transpose(1, 2))
        return x + (scores.float() / (16 * q.shape[-1] ** 0.5)).softmax(-1) @ x


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(192, 256)
    model = kit.named(attn=Contrast(width, knobs.pick(60.0, 64.0)), head=nn.Linear(8, 2))
    optimizer = kit.adam(model, lr=0.02)
    batches = [(x, x[..., :2] - x[..., 2:4] + x.mean(1, keepdim=True)[..., :2]) for x, _ in kit.sequences(25, 16, 5, 8)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("fp16-accumulation",), ("forward",), ("attn",)),
        device=contextlib.nullcontext if repaired else HalfSums(knobs.pick(16, 32)),
    )
