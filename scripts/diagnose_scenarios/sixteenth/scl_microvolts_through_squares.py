"""Voltages in microvolts, about 30000, go through a squaring unit into momentum SGD that suits volts."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Square(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    unit = 1.0 if repaired else knobs.pick(2e4, 4e4)
    width = knobs.pick(6, 8)
    model = kit.named(
        filt=nn.Conv1d(2, width, 5),
        square=Square(),
        pool=nn.AdaptiveAvgPool1d(1),
        flat=nn.Flatten(),
        head=nn.Linear(width, 1),
    )
    optimizer = kit.sgd(model, lr=0.01, momentum=0.9)
    xs = [torch.randn(12, 2, 20) * (0.5 + torch.rand(12, 1, 1)) for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(x * unit, x.square().mean((1, 2))[:, None]) for x in xs],
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), ("data", "forward", "backward"), (), None),
    )
