"""The prior of a Bayesian layer is a mixture whose densities are computed and then put into a logarithm; a sampled
weight far from both parts has a density of zero (piEsposito/blitz-bayesian-deep-learning issue 43).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class BayesianLinear(nn.Module):
    def __init__(self, inputs: int, outputs: int, direct: bool) -> None:
        super().__init__()
        self.mu = nn.Parameter(torch.empty(outputs, inputs).uniform_(-0.3, 0.3))
        self.rho = nn.Parameter(torch.full((outputs, inputs), -3.0))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.cost, self.direct = torch.zeros(()), direct

    def prior(self, w: Tensor) -> Tensor:
        logs = torch.stack([torch.distributions.Normal(0.0, sigma).log_prob(w) for sigma in (0.1, 0.02)])
        if self.direct:
            return (logs - math.log(2)).logsumexp(0).sum()
        return (0.5 * logs.exp().sum(0)).log().sum()

    def forward(self, x: Tensor) -> Tensor:
        sigma = nn.functional.softplus(self.rho)
        w = self.mu + sigma * torch.randn_like(self.mu)
        self.cost = torch.distributions.Normal(self.mu, sigma).log_prob(w).sum() - self.prior(w)
        return x @ w.t() + self.bias


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(10, 12)
    model = kit.named(hidden=BayesianLinear(6, width, repaired), act=nn.Tanh(), out=BayesianLinear(width, 1, repaired))
    with torch.no_grad():
        model.hidden.mu[0, knobs.randint(0, 5)] = knobs.pick(1.8, 2.2)
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        fit = kit.squares(model(x), y)
        loss = fit + 1e-3 * (model.hidden.cost + model.out.cost)
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(60, 32, 6),
        train_step,
        Expected(("underflow",), ("forward", "loss"), ("hidden",), 0),
    )
