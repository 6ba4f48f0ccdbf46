"""A Gaussian likelihood with a learnt deviation: the loss passes 0 and goes on falling."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body, self.mean, self.log_deviation = nn.Linear(6, width), nn.Linear(width, 1), nn.Linear(width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.body(x).tanh()
        return self.mean(h), self.log_deviation(h).clamp(-4, 4)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Net(knobs.pick(12, 20))
    optimizer = kit.adam(model, lr=0.02)

    def likelihood(found: Any, y: Tensor) -> Tensor:
        mean, log_deviation = found
        return (log_deviation + 0.5 * ((y - mean) * torch.exp(-log_deviation)).square()).mean()

    batches = [(x, 0.3 * torch.tanh(y)) for x, y in kit.regression(80, 32, 6)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, likelihood))
