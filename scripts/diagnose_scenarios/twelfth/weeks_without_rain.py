"""The spread of every weather field is taken from the training period; in a short dry one it did not rain, and the
rain is divided by a spread of zero (mllam/neural-lam issue 136).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Standardise(nn.Module):
    def __init__(self, period: Tensor, safe: bool) -> None:
        super().__init__()
        std = period.std((0, 1))
        self.register_buffer("mean", period.mean((0, 1)))
        self.register_buffer("std", torch.where(std > 0, std, 1.0) if safe else std)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


class Forecast(nn.Module):
    def __init__(self, period: Tensor, width: int, safe: bool) -> None:
        super().__init__()
        self.standardise = Standardise(period, safe)
        self.embed = nn.Linear(period.shape[-1], width)
        self.mix = nn.Linear(width, width)
        self.out = nn.Linear(width, period.shape[-1])

    def forward(self, state: Tensor) -> Tensor:
        h = self.embed(self.standardise(state)).relu()
        h = h + self.mix(h.mean(1, keepdim=True)).relu()
        return self.out(h)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    fields, rain = knobs.pick(4, 5), knobs.randint(0, 3)
    level = 10 * torch.randn(fields)
    period = level + torch.randn(41, 16, fields).cumsum(0) * 0.3
    period[..., rain] = 0.0
    model = Forecast(period, knobs.pick(16, 20), repaired)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    spread = period.std((0, 1)).clamp(min=1.0)

    def train_step(batch: Any) -> Tensor:
        now, later = batch
        optimizer.zero_grad()
        loss = ((model(now) - (later - level) / spread) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = [(period[n : n + 4], period[n + 1 : n + 5]) for n in range(36)]
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("division-by-zero",), ("forward",), ("standardise",), 0),
    )
