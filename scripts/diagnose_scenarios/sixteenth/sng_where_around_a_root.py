"""A layer takes the root of positive parts with where; the branch not taken, a root below 0, has a slope of NaN."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class SignedRoot(nn.Module):
    def __init__(self, safe: bool) -> None:
        super().__init__()
        self.safe = safe

    def forward(self, x: Tensor) -> Tensor:
        inside = torch.where(x > 0, x, torch.ones_like(x)) if self.safe else x
        return torch.where(x > 0, inside.sqrt(), torch.zeros_like(x))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(10, 14)
    model = kit.named(
        inp=nn.Linear(5, width), root=SignedRoot(repaired), norm=nn.LayerNorm(width), out=nn.Linear(width, 1)
    )
    optimizer = torch.optim.Adamax(model.parameters(), lr=0.02)
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 16, 5),
        kit.train(model, optimizer, kit.squares),
        Expected(("singular-gradient",), ("backward",), ("root",)),
    )
