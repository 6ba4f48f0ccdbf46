"""A low-rank adapter with both factors at 0 gets no gradient; only one of them may start at 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Adapted(nn.Module):
    def __init__(self, width: int, rank: int, both: bool) -> None:
        super().__init__()
        self.base = nn.Linear(8, width)
        self.base.requires_grad_(False)
        self.down = nn.Parameter(torch.zeros(rank, 8) if both else torch.randn(rank, 8) / 3)
        self.up = nn.Parameter(torch.zeros(width, rank))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + x @ self.down.t() @ self.up.t()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Adapted(3, knobs.pick(4, 6), not repaired)
    optimizer = torch.optim.Adam([model.down, model.up], lr=0.03)
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 64, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("initialisation",), (), (), None, "stalls"),
    )
