"""Batches of a single sequence of changing length, with layer norms, which do not mind."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Reader(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.gru, self.head = nn.LayerNorm(4), nn.GRU(4, width, batch_first=True), nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gru(self.norm(x))[0].mean(1))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Reader(knobs.pick(8, 10))
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for number in range(80):
        sign = 1.0 if number % 2 else -1.0
        x = torch.randn(1, knobs.randint(1, 9), 4)
        x[..., 0] += 2 * sign
        batches.append((x, torch.full((1, 1), sign)))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares))
