"""A Gaussian density is computed first and its logarithm afterwards: 20 deviations out it is 0 in float32."""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Bell(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.middle, self.spread = nn.Linear(6, 12), nn.Linear(12, 1), nn.Linear(12, 1)

    def forward(self, x: Tensor) -> Any:
        hidden = self.body(x).tanh()
        return self.middle(hidden), nn.functional.softplus(self.spread(hidden)) + 0.3


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, model = knobs.step(), Bell()
    optimizer = kit.adam(model, lr=0.03)

    def criterion(bell: Any, y: Tensor) -> Tensor:
        middle, spread = bell
        z = (y - middle) / spread
        if repaired:
            return (z.square() / 2 + spread.log()).clamp(max=50).mean() + 1
        density = (-z.square() / 2).exp() / (spread * math.sqrt(2 * math.pi))
        return 1 - density.log().mean()

    batches = [(x, y + 0.1 * torch.randn_like(y)) for x, y in kit.regression(60, 16, 6)]
    batches[step][1][knobs.randint(0, 15)] = knobs.pick(26.0, -30.0)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("underflow",), ("loss",), (LOSS,), step),
    )
