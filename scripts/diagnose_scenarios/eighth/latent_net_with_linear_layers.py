"""A variational autoencoder, rewritten with linear layers, keeps the rate of the old one: losses jump and are NaN,
and a lower rate helps (AntixK/PyTorch-VAE issue 16).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Vae(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(inputs, width), nn.LeakyReLU())
        self.mu, self.logvar = nn.Linear(width, 4), nn.Linear(width, 4)
        self.dec = nn.Sequential(nn.Linear(4, width), nn.LeakyReLU(), nn.Linear(width, inputs))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = self.enc(x)
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + (0.5 * logvar).exp() * torch.randn_like(mu)
        return self.dec(z), mu, logvar


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Vae(10, knobs.pick(24, 32))
    optimizer = kit.sgd(model, lr=0.05 if repaired else knobs.pick(5.0, 8.0), momentum=0.5)
    weight = knobs.pick(0.01, 0.005)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        found, mu, logvar = model(batch)
        kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1).mean()
        loss = nn.functional.mse_loss(found, batch) + weight * kl
        loss.backward()
        optimizer.step()
        return loss

    mix = torch.randn(3, 10)
    batches = [torch.randn(32, 3) @ mix for _ in range(60)]
    return Scenario(model, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None))
