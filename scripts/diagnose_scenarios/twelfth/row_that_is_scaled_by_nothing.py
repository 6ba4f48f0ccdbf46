"""A norm first divides each row by its largest entry so that half cannot overflow; a row of zeros is divided by zero,
which the eps was there to prevent (apple/coremltools pull request 2822).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class ScaledNorm(nn.Module):
    def __init__(self, width: int, least: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.least = least

    def forward(self, x: Tensor) -> Tensor:
        largest = x.abs().amax(-1, keepdim=True).clamp(min=self.least)
        small = x / largest
        root = (small.square().mean(-1, keepdim=True) + 1e-6 / largest.square().clamp(min=1e-12)).sqrt()
        return small / root * self.weight


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(12, 16), knobs.randint(5, 25)
    model = kit.named(
        norm=ScaledNorm(width, 1.0 if repaired else 0.0),
        up=nn.Linear(width, 32),
        act=nn.SiLU(),
        down=nn.Linear(32, 2),
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    batches = kit.regression(40, 24, width, 2)
    x, y = batches[step]
    rows = torch.randperm(24)[: knobs.randint(1, 4)]
    x[rows], y[rows] = 0.0, 0.0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("division-by-zero",), ("forward",), ("norm",), step),
    )
