"""A recurrent net has large gradients on long sequences, which are clipped at every step."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Reader(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(2, width, batch_first=True)
        self.out = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.lstm(x)[0][:, -1])


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Reader(knobs.pick(12, 16))
    optimizer = kit.sgd(model, lr=0.5, momentum=0.5)
    batches = []
    for _ in range(60):
        x = torch.randn(16, 24, 2)
        batches.append((x, 5 + 3 * x[:, -1, :1]))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares, clip=0.5))
