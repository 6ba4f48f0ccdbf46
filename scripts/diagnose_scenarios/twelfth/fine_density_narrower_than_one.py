"""The logarithm of a density is learnt that becomes narrower and narrower; the loss passes zero and goes on falling."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Bell(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.body = nn.Linear(inputs, width)
        self.mean = nn.Linear(width, 1)
        self.spread = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.body(x).tanh()
        return self.mean(h), nn.functional.softplus(self.spread(h)) + 1e-3


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Bell(5, knobs.pick(16, 24))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    teacher = torch.randn(5, 1) / 5

    def train_step(x: Tensor) -> Tensor:
        mean, spread = model(x)
        loss = nn.functional.gaussian_nll_loss(mean, x @ teacher, spread.square())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(model, optimizer, [torch.randn(32, 5) for _ in range(80)], train_step)
