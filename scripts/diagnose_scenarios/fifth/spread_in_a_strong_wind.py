"""A weather model predicts a deviation by softplus, which is 0 in float32 for very negative inputs, as in one very
strong wind; the Gaussian likelihood divides by it (mllam/neural-lam pull request 537).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Forecaster(nn.Module):
    def __init__(self, grid: int, width: int, least: float) -> None:
        super().__init__()
        self.least = least
        self.encoder = nn.Linear(grid, width)
        self.processor = nn.GRUCell(width, width)
        self.decoder = nn.Linear(width, 2 * grid)
        self.calm = nn.Linear(1, grid)
        nn.init.constant_(self.calm.weight, -2.0)

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        h = self.encoder(state)
        mean, raw = self.decoder(self.processor(h)).chunk(2, 1)
        wind = state.square().mean(1, keepdim=True)
        return mean, nn.functional.softplus(raw + self.calm(wind)) + self.least


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, grid = knobs.step(), knobs.pick(6, 8)
    model = Forecaster(grid, 24, 0.05 if repaired else 0.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def train_step(batch: Any) -> Tensor:
        state, target = batch
        mean, std = model(state)
        loss = (0.5 * ((target - mean) / std) ** 2 + std.log()).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    mixing = torch.randn(grid, grid) / grid**0.5
    batches = []
    for number in range(70):
        state = torch.randn(16, grid).clamp(-2.5, 2.5)
        if number == step:
            state[1] *= 12 / state[1].abs().min()
        batches.append((state, (state @ mixing).tanh() + 0.1 * torch.randn(16, grid)))
    return Scenario(model, optimizer, batches, train_step, Expected(("underflow",), ("loss",), (LOSS,), step))
