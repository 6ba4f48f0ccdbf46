"""A Gaussian policy with a clamped log of its spread, on returns that are normalised per batch."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Policy(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body, self.mean, self.log_std = nn.Linear(4, width), nn.Linear(width, 1), nn.Linear(width, 1)

    def forward(self, x: Tensor) -> torch.distributions.Normal:
        h = self.body(x).tanh()
        return torch.distributions.Normal(self.mean(h), self.log_std(h).clamp(-5, 2).exp())


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Policy(knobs.pick(24, 32))
    optimizer = kit.adam(model, lr=0.005)

    def train_step(batch: Any) -> Tensor:
        policy = model(batch)
        action = policy.sample()
        reward = -((action - batch.mean(1, keepdim=True)) ** 2)
        gain = (reward - reward.mean()) / (reward.std() + 1e-8)
        optimizer.zero_grad()
        loss = -(policy.log_prob(action) * gain).mean()
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(model, optimizer, [torch.randn(64, 4) for _ in range(60)], train_step, learns=False)
