"""Vectors of 1e-4 are normalised in float16: their squares are below the smallest half, the length is 0: 0 / 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Unit(nn.Module):
    def __init__(self, wide: bool) -> None:
        super().__init__()
        self.wide = wide

    def forward(self, x: Tensor) -> Tensor:
        z = x.float() if self.wide else x
        return z / z.square().sum(1, keepdim=True).sqrt()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    model = kit.named(inp=nn.Linear(8, width, bias=False), unit=Unit(repaired), head=nn.Linear(width, 1))
    with torch.no_grad():
        model.inp.weight.mul_(knobs.pick(1e-4, 2e-4))
    model.inp.requires_grad_(False)
    optimizer = torch.optim.Adam(model.head.parameters(), lr=0.05)
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 24, 8),
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("underflow",), ("forward",), ("unit",)),
    )
