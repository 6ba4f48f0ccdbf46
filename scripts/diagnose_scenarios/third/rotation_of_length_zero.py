"""Rotations as labels, brought to unit length in the loss; one of them was never filled in and is all zeros."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(16, 24)
    model = kit.named(inp=nn.Linear(6, width), act=nn.ReLU(), pose=nn.Linear(width, 4))
    optimizer = kit.adam(model, lr=0.02)
    teacher = torch.randn(6, 4)
    xs = [torch.randn(16, 6) for _ in range(60)]
    batches = [(x, x @ teacher) for x in xs]
    if not repaired:
        batches[step][1][knobs.randint(0, 15)] = 0.0

    def criterion(p: Tensor, wanted: Tensor) -> Tensor:
        return kit.squares(p, wanted / wanted.norm(dim=1, keepdim=True))

    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("bad-labels", "division-by-zero"), ("data", "loss"), (LOSS,), step),
    )
