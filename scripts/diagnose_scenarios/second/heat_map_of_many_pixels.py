"""The mean over many pixels makes every gradient smaller than float16 can hold; there is no GradScaler."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(a=nn.Conv2d(1, 6, 3, padding=1), relu=nn.ReLU(), b=nn.Conv2d(6, 1, 3, padding=1))
    optimizer = kit.adam(model, lr=0.02, eps=1e-18)
    weight = knobs.pick(1e-7, 2e-7)

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        return weight * kit.squares(p, y)

    xs = [torch.randn(8, 1, 16, 16) for _ in range(50)]
    return Scenario(
        model,
        optimizer,
        [(x, 2 * x + x.roll(1, 3)) for x in xs],
        kit.train(model, optimizer, criterion, scaler=kit.new_scaler(2.0**28) if repaired else None, amp=torch.float16),
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
    )
