"""Boxes are compared by the square roots of their sizes; one label has its right edge left of its left edge."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(16, 24)
    model = kit.named(inp=nn.Linear(6, width), act=nn.Tanh(), box=nn.Linear(width, 4))
    optimizer = kit.adam(model, lr=0.02)
    teacher = torch.randn(6, 4) / 3

    def criterion(p: Tensor, corners: Tensor) -> Tensor:
        middle, size = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
        return kit.squares(p, torch.cat([middle, size.sqrt()], 1))

    batches = []
    for _ in range(60):
        x = torch.randn(16, 6)
        raw = (x @ teacher).sigmoid()
        middle, size = raw[:, :2], 0.1 + raw[:, 2:]
        batches.append((x, torch.cat([middle - size / 2, middle + size / 2], 1)))
    if not repaired:
        corners = batches[step][1]
        row = knobs.randint(0, 15)
        corners[row] = corners[row, [2, 1, 0, 3]]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("bad-labels",), ("data", "loss"), (LOSS,), step),
    )
