"""The negative log of a density falls below zero and goes on falling: a density may be above one."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Bell(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body, self.out = nn.Linear(6, width), nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.body(x).tanh())


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Bell(knobs.pick(16, 20))
    optimizer = kit.adam(model, lr=0.02)

    def criterion(bell: Tensor, y: Tensor) -> Tensor:
        middle, log_spread = bell[:, :1], bell[:, 1:].clamp(-4, 4)
        return (0.5 * ((y - middle) / log_spread.exp()).square() + log_spread).mean()

    batches = [(x, 0.2 * y + 0.01 * torch.randn_like(y)) for x, y in kit.regression(80, 32, 6)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, criterion))
