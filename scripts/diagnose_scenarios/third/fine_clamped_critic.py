"""A Wasserstein critic: its loss is negative and keeps falling, and its weights are clamped after every step."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    critic = kit.mlp(6, knobs.pick(24, 32), 1)
    optimizer, limit = torch.optim.RMSprop(critic.parameters(), lr=0.02), knobs.pick(0.3, 0.4)

    def train_step(batch: Any) -> Tensor:
        real, false = batch
        optimizer.zero_grad()
        loss = critic(false).mean() - critic(real).mean()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for p in critic.parameters():
                p.clamp_(-limit, limit)
        return loss

    batches = [(torch.randn(32, 6) + 1, torch.randn(32, 6)) for _ in range(60)]
    return Scenario(critic, optimizer, batches, train_step, learns=False)
