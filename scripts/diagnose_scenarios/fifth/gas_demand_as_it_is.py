"""Hourly gas demand of about ten thousand goes into a forecasting transformer without being standardised
(zhouhaoyi/Informer2020 issue 251).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Forecaster(nn.Module):
    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.value_embedding = nn.Conv1d(1, width, 3, padding=1)
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.projection = nn.Linear(width * length, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.value_embedding(x[:, None]).transpose(1, 2)
        scores = self.query(h) @ self.key(h).transpose(1, 2) / h.shape[-1] ** 0.5
        return self.projection((h + scores.softmax(-1) @ h).flatten(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    length = knobs.pick(12, 14)
    model = Forecaster(length, 8)
    optimizer = kit.sgd(model, lr=0.01, momentum=0.9)
    level, spread = knobs.pick(9e3, 1.1e4), 3e3
    hours = torch.arange(4000.0)
    demand = level + spread * ((hours * 6.2832 / 24).sin() + 0.1 * torch.randn(4000))
    if repaired:
        demand = (demand - demand.mean()) / demand.std()
    batches = []
    for _ in range(60):
        start = torch.randint(0, 3900, (16,))
        batches.append((demand[start[:, None] + torch.arange(length)], demand[start + length][:, None]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), (), (), None),
    )
