"""A variational autoencoder has a Bernoulli likelihood for pixels between 0 and 1 and gets standardised ones: its cost
can fall for ever, outputs become certain, and log 0 follows (tensorflow/models issue 23).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Vae(nn.Module):
    def __init__(self, pixels: int, width: int) -> None:
        super().__init__()
        self.enc = nn.Linear(pixels, width)
        self.mean, self.log_var = nn.Linear(width, 3), nn.Linear(width, 3)
        self.dec1, self.dec2 = nn.Linear(3, width), nn.Linear(width, pixels)

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        h = nn.functional.softplus(self.enc(x))
        mean, log_var = self.mean(h), self.log_var(h).clamp(-10, 10)
        z = mean + (log_var / 2).exp() * noise
        rebuilt = self.dec2(nn.functional.softplus(self.dec1(z))).sigmoid()
        return rebuilt, -0.5 * (1 + log_var - mean.square() - log_var.exp()).sum(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    pixels = knobs.pick(20, 25)
    model = Vae(pixels, 24)
    optimizer = kit.adam(model, lr=0.05)

    def train_step(batch: Any) -> Tensor:
        x, noise = batch
        optimizer.zero_grad()
        rebuilt, divergence = model(x, noise)
        likelihood = (x * torch.log(1e-10 + rebuilt) + (1 - x) * torch.log(1 - rebuilt)).sum(1)
        loss = (divergence - likelihood).mean()
        loss.backward()
        optimizer.step()
        return loss

    digits = (torch.rand(4, pixels) < 0.4).float() * 0.94 + 0.03
    batches = []
    for _ in range(80):
        x = (digits[torch.randint(4, (24,))] + 0.05 * torch.randn(24, pixels)).clamp(0.02, 0.98)
        if not repaired:
            x = (x - digits.mean()) / digits.std()
        batches.append((x, torch.randn(24, 3)))
    return Scenario(model, optimizer, batches, train_step, Expected(("bad-labels", "input-scale"), (), (), None))
