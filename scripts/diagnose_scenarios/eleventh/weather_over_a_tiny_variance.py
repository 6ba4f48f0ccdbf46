"""The errors of a weather model are divided by the variance of each column, and in some columns the numbers kept for it
are a millionth and less; the loss is of the order of ten to the twenty, until the deviation is used instead
(openclimatefix/graph_weather pull request 87).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Mesh(nn.Module):
    def __init__(self, columns: int, width: int) -> None:
        super().__init__()
        self.encode = nn.Linear(columns, width)
        self.process = nn.Linear(2 * width, width)
        self.decode = nn.Linear(width, columns)

    def forward(self, state: Tensor) -> Tensor:
        h = self.encode(state).relu()
        near = (h.roll(1, 1) + h.roll(-1, 1)) / 2
        return self.decode(self.process(torch.cat([h, near], -1)).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    columns = 5
    model = Mesh(columns, knobs.pick(12, 16))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    spread = torch.tensor([1.0, 0.7, 1.4, knobs.pick(1e-6, 3e-6), 2e-5])

    def train_step(batch: Any) -> Tensor:
        now, later = batch
        raw = model(now) * (spread if repaired else 1.0)
        loss = (((raw - later) / spread) if repaired else (raw - later) / spread.square()).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        now = torch.randn(4, 12, columns)
        batches.append((now, (now.roll(1, 1) + now) / 2 * spread))
    return Scenario(model, optimizer, batches, train_step, Expected(("input-scale",), (), (LOSS, "decode"), None))
