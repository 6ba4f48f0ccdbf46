"""A variational autoencoder for gene counts is given the counts, up to a hundred thousand, not their logarithms."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Draw(nn.Module):
    def forward(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        return mean + torch.randn_like(mean) * (0.5 * log_variance).exp()


class Coder(nn.Module):
    def __init__(self, genes: int, width: int) -> None:
        super().__init__()
        self.enc = nn.Linear(genes, 2 * width)
        self.draw = Draw()
        self.dec = nn.Linear(width, genes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = self.enc(x).chunk(2, 1)
        return self.dec(self.draw(mean, log_variance)), mean, log_variance


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    genes = knobs.pick(20, 24)
    model = Coder(genes, 4)
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        rebuilt, mean, log_variance = model(batch)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        loss = (rebuilt - batch).square().sum(1).mean() + 0.1 * kl
        loss.backward()
        optimizer.step()
        return loss

    types = 3 + 3 * torch.rand(3, genes)
    logs = [types[torch.randint(3, (16,))] + 0.2 * torch.randn(16, genes) for _ in range(100)]
    batches = [log if repaired else (10**log).round() for log in logs]
    return Scenario(model, optimizer, batches, train_step, Expected(("input-scale",), ("data", "forward"), ("draw",)))
