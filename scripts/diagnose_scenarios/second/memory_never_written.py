"""A parameter made with torch.empty and never filled holds whatever was in memory: numbers of 1e38."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Scale(nn.Module):
    def __init__(self, width: int, filled: bool) -> None:
        super().__init__()
        rubbish = torch.randn(width) * 2e38
        self.factor = nn.Parameter(torch.ones(width) if filled else rubbish.clamp(-3e38, 3e38))

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(enc=nn.Linear(8, width), scale=Scale(width, repaired), out=nn.Linear(width, 3))
    with torch.no_grad():
        model.enc.weight.mul_(4)
    optimizer = kit.adam(model)
    return Scenario(
        model,
        optimizer,
        kit.classes(50, 16, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("initialisation",), ("forward",), ("scale",)),
    )
