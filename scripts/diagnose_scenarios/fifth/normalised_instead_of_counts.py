"""A model of gene counts is given values that were normalised already; its negative binomial likelihood is for whole
numbers and raises (BayraktarLab/cell2location issues 204 and 249, gao-lab/GLUE issue 77).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class CountVAE(nn.Module):
    def __init__(self, genes: int, width: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(genes, width), nn.ReLU(), nn.Linear(width, 4))
        self.decoder = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, genes))
        self.log_total = nn.Parameter(torch.zeros(genes))

    def forward(self, counts: Tensor) -> tuple[torch.distributions.NegativeBinomial, Tensor]:
        mean, log_variance = self.encoder(counts.log1p()).chunk(2, 1)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        # torch.compile turns the validation off for the rest of the process.
        likelihood = torch.distributions.NegativeBinomial(
            self.log_total.exp(), logits=self.decoder(z), validate_args=True
        )
        return likelihood, kl


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    genes = knobs.pick(12, 16)
    model = CountVAE(genes, 24)
    optimizer = kit.adam(model, lr=0.01)

    def train_step(counts: Any) -> Tensor:
        optimizer.zero_grad()
        likelihood, kl = model(counts)
        loss = (kl - likelihood.log_prob(counts).sum(1)).mean() / genes
        loss.backward()
        optimizer.step()
        return loss

    types = (1.5 + 1.5 * torch.randn(3, genes)).exp()
    batches = []
    for _ in range(70):
        counts = torch.poisson(types[torch.randint(3, (24,))])
        batches.append(counts if repaired else (1e4 * counts / counts.sum(1, keepdim=True)).log1p())
    # One tensor is both what goes in and what is to be explained.
    expected = Expected(("bad-labels", "bad-data"), ("data", "loss"), (LOSS,), 0, "raises")
    return Scenario(model, optimizer, batches, train_step, expected)
