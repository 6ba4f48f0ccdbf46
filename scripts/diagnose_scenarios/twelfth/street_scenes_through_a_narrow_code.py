"""A variational net for street scenes is not a number after a few steps at the default rate of the task net; at a
hundredth of it it learns (sinhasam/vaal issue 10).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Coder(nn.Module):
    def __init__(self, pixels: int, width: int, code: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(pixels, width), nn.ReLU())
        self.mu = nn.Linear(width, code)
        self.logvar = nn.Linear(width, code)
        self.decoder = nn.Sequential(nn.Linear(code, width), nn.ReLU(), nn.Linear(width, pixels))
        self.noise = torch.Generator().manual_seed(3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = self.encoder(x)
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + (0.5 * logvar).exp() * torch.randn(mu.shape, generator=self.noise)
        return self.decoder(z), mu, logvar


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    pixels = knobs.pick(24, 32)
    model = Coder(pixels, 32, 6)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005 if repaired else knobs.pick(1.0, 1.5))

    def train_step(x: Tensor) -> Tensor:
        made, mu, logvar = model(x)
        loss = (made - x).square().sum(1).mean()
        loss = loss - 0.5 * (1 + logvar - mu.square() - logvar.exp()).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    basis = torch.randn(3, pixels)
    batches = [2 * torch.randn(32, 3) @ basis for _ in range(70)]
    return Scenario(model, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None))
