"""A batch sorted by label: the products of a weight gradient cancel, but only after float16 partial sums overflowed."""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import HalfSums
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Raised(nn.Module):
    def __init__(self, level: float) -> None:
        super().__init__()
        self.level = level

    def forward(self, x: Tensor) -> Tensor:
        return x.relu() + self.level


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, batch = knobs.step(), 512
    width = knobs.pick(12, 16)
    model = kit.named(inp=nn.Linear(8, width), raised=Raised(knobs.pick(40.0, 45.0)), out=nn.Linear(width, 1))
    with torch.no_grad():
        model.out.weight -= model.out.weight.mean()
    optimizer = kit.adam(model, lr=0.004)
    teacher = torch.randn(8)

    def hinge(p: Tensor, y: Tensor) -> Tensor:
        """Ten points for each unit below a margin far away."""
        return 10 * (20 - y * p.float().squeeze(1)).relu().sum()

    def balanced(number: int) -> tuple[Tensor, Tensor]:
        x = torch.randn(batch, 8)
        score = x @ teacher
        y = torch.where(score > score.median(), 1.0, -1.0)
        order = y.argsort(descending=True) if number == step else torch.randperm(batch)
        return x[order], y[order]

    return Scenario(
        model,
        optimizer,
        [balanced(number) for number in range(170)],
        kit.train(model, optimizer, hinge, amp=torch.float16),
        Expected(("fp16-accumulation",), ("backward",), ("out",), step),
        device=contextlib.nullcontext if repaired else HalfSums(32),
    )
