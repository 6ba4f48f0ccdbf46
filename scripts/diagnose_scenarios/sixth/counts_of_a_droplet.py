"""A variational autoencoder of gene counts, whose rates are exponentials, runs away under a rate meant for another
net; the maintainers lower it by powers of ten (broadinstitute/CellBender issue 52).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Vae(nn.Module):
    def __init__(self, genes: int, hidden: int, latent: int) -> None:
        super().__init__()
        self.enc = nn.Linear(genes, hidden)
        self.mean = nn.Linear(hidden, latent)
        self.spread = nn.Linear(hidden, latent)
        self.dec = nn.Linear(latent, hidden)
        self.rate = nn.Linear(hidden, genes)

    def forward(self, counts: Tensor) -> tuple[Tensor, Tensor]:
        h = nn.functional.softplus(self.enc(counts.log1p()))
        mean, spread = self.mean(h), nn.functional.softplus(self.spread(h)) + 0.01
        z = mean + spread * torch.randn_like(spread)
        divergence = 0.5 * (mean.square() + spread.square() - 1) - spread.log()
        return self.rate(nn.functional.softplus(self.dec(z))), divergence.sum(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    genes = knobs.pick(20, 30)
    model = Vae(genes, 24, 4)
    optimizer = kit.adam(model, lr=0.01 if repaired else knobs.pick(2.0, 3.0))

    def train_step(counts: Tensor) -> Tensor:
        optimizer.zero_grad()
        logarithm, divergence = model(counts)
        likelihood = (logarithm.exp() - counts * logarithm).sum(1)
        loss = (likelihood + divergence).mean() / genes
        loss.backward()
        optimizer.step()
        return loss

    profiles = 3 * torch.rand(3, genes)
    batches = [torch.poisson(profiles[torch.randint(3, (32,))].exp()) for _ in range(60)]
    return Scenario(model, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None))
