"""A variational autoencoder whose log-variance is held between -30 and 20 before its exponential
(the remedy in vanderschaarlab/synthcity issue 331).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class TabularVAE(nn.Module):
    def __init__(self, columns: int, width: int, latents: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(columns, width), nn.SELU())
        self.mu, self.logvar = nn.Linear(width, latents), nn.Linear(width, latents)
        self.decoder = nn.Sequential(nn.Linear(latents, width), nn.SELU(), nn.Linear(width, columns))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = self.encoder(x)
        mu, logvar = self.mu(h), self.logvar(h).clamp(-30, 20)
        return self.decoder(mu + torch.randn_like(mu) * (0.5 * logvar).exp()), mu, logvar


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    columns = knobs.pick(10, 12)
    vae = TabularVAE(columns, 24, 3)
    with torch.no_grad():
        vae.logvar.bias.fill_(-35.0)
    optimizer = kit.adam(vae, lr=0.005)

    def train_step(x: Any) -> Tensor:
        rebuilt, mu, logvar = vae(x)
        kl = -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum(1).mean()
        loss = (rebuilt - x).square().sum(1).mean() + 0.01 * kl
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    mixing = torch.randn(3, columns)
    batches = [torch.randn(32, 3) @ mixing + 0.1 * torch.randn(32, columns) for _ in range(80)]
    return Scenario(vae, optimizer, batches, train_step)
