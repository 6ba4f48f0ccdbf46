"""Two hundred layers sin(7 h): every state stays within one, and the gradient grows about threefold in each layer."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Waves(nn.Module):
    def __init__(self, frequency: float, depth: int) -> None:
        super().__init__()
        self.depth = depth
        self.frequency = nn.Parameter(frequency * torch.tensor([0.9, 1.0, 1.1]))

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.depth):
            x = (self.frequency * x).sin()
        return x


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    frequency, depth = (1.0, 2) if repaired else (knobs.pick(6.3, 7.9), knobs.pick(200, 220))
    model = kit.named(inp=nn.Linear(6, 3), waves=Waves(frequency, depth), head=nn.Linear(3, 1))
    optimizer = kit.sgd(model, lr=0.1)
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 16, 6),
        kit.train(model, optimizer, kit.squares),
        Expected(("exploding-gradients",), ("backward",), ("waves",)),
    )
