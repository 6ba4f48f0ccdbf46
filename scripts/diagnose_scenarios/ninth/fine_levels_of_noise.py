"""A denoiser preconditioned for noise between 0.002 and 80: the weight of its loss spans six orders of magnitude, and
what it returns is scaled back so that all levels count alike.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Preconditioned(nn.Module):
    def __init__(self, width: int, spread: float = 0.5) -> None:
        super().__init__()
        self.inp, self.mid, self.out = nn.Linear(5, width), nn.Linear(width, width), nn.Linear(width, 4)
        self.spread = spread

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        total = (sigma**2 + self.spread**2).sqrt()
        h = torch.cat([x / total, sigma.log() / 4], -1)
        h = self.out(nn.functional.silu(self.mid(nn.functional.silu(self.inp(h)))))
        return self.spread**2 / total**2 * x + sigma * self.spread / total * h


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Preconditioned(knobs.pick(32, 40))
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        clean, noise, sigma = batch
        optimizer.zero_grad()
        weight = (sigma**2 + 0.25) / (sigma * 0.5) ** 2
        loss = (weight * (model(clean + sigma * noise, sigma) - clean).square()).mean()
        loss.backward()
        optimizer.step()
        return loss

    places = 0.5 * torch.randn(3, 4)
    batches = []
    for _ in range(80):
        sigma = (1.2 * torch.randn(64, 1) - 1.2).exp().clamp(0.002, 80)
        sigma[0], sigma[1] = 0.002, 80.0
        batches.append((places[torch.randint(3, (64,))], torch.randn(64, 4), sigma))
    return Scenario(model, optimizer, batches, train_step)
