"""Losses of 1e-10 in SI units under float16 autocast without a scaler: the gradient of every activation is 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, unit = knobs.pick(12, 16), knobs.pick(1e-5, 2e-5)
    model = kit.named(inp=nn.Linear(4, width), act=nn.Tanh(), head=nn.Linear(width, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1 / unit**2, momentum=0.5)
    scaler = kit.new_scaler(2.0**40) if repaired else None

    def criterion(field: Tensor, target: Tensor) -> Tensor:
        return (unit * (field.float() - target)).square().mean()

    return Scenario(
        model,
        optimizer,
        kit.regression(80, 64, 4),
        kit.train(model, optimizer, criterion, scaler=scaler, amp=torch.float16),
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
        scaler=scaler,
    )
