"""The autoencoder of a precipitation model adds up the gradients of several batches and clears them at the wrong
moment, after they were added up and before the step (gaozhihan/PreDiff pull request 33).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Vae(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.enc = nn.Linear(16, width)
        self.moments = nn.Linear(width, 8)
        self.dec = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 16))

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_var = self.moments(self.enc(x).relu()).chunk(2, -1)
        log_var = log_var.clamp(-30, 20)
        divergence = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(-1).mean()
        return self.dec(mean + (0.5 * log_var).exp() * noise), divergence


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    micro = knobs.pick(2, 3, 4)
    model = Vae(32)
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        total = torch.zeros(())
        if repaired:
            optimizer.zero_grad()
        for x, noise in batch:
            rebuilt, divergence = model(x, noise)
            loss = (nn.functional.mse_loss(rebuilt, x) + 1e-3 * divergence) / micro
            loss.backward()
            total = total + loss.detach()
        if not repaired:
            optimizer.zero_grad()
        optimizer.step()
        return total

    fronts = torch.randn(4, 16)

    def rain() -> tuple[Tensor, Tensor]:
        return torch.randn(16, 4).softmax(-1) @ fronts * 2, torch.randn(16, 4)

    return Scenario(
        model,
        optimizer,
        [[rain() for _ in range(micro)] for _ in range(60)],
        train_step,
        Expected(("zero-grad",), ("optimizer",), (), 0, "stalls"),
    )
