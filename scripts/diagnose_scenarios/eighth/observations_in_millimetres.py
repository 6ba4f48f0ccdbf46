"""The policy's log of the spread is computed from observations without a normaliser; they are so large that the
exponential of it overflows (tensorflow/agents issue 622).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Actor(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.body = nn.Linear(inputs, width)
        self.mean, self.log_std = nn.Linear(width, 2), nn.Linear(width, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.body(x).relu()
        return self.mean(h), self.log_std(h).exp()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Actor(6, knobs.pick(32, 48))
    optimizer = kit.adam(model, lr=0.003)
    unit = knobs.pick(2000.0, 3000.0)
    goal = torch.randn(6, 2) / 2

    def train_step(batch: Any) -> Tensor:
        seen, action = batch
        optimizer.zero_grad()
        mean, std = model(seen)
        loss = (0.5 * ((action - mean) / std) ** 2 + std.log()).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        x = torch.randn(32, 6)
        batches.append((x if repaired else unit * x, x @ goal + 3))
    return Scenario(model, optimizer, batches, train_step, Expected(("input-scale",), (), ()))
