"""A Cox model gets raw covariates (ages, dates, amounts) and exponentiates its risks (as in jaredleekatzman/DeepSurv
issue 14, where rescaled features ended it).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def partial_likelihood(risk: Tensor, times: Tensor) -> Tensor:
    """Everybody dies; at risk are those who live as long or longer."""
    ordered = risk[times.argsort(descending=True), 0]
    return (ordered.exp().cumsum(0).log() - ordered).mean()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(6, knobs.pick(16, 24)), act=nn.ReLU(), risk=nn.LazyLinear(1, bias=False))
    model(torch.zeros(1, 6))
    optimizer = kit.sgd(model, lr=0.05)
    units = 1.0 if repaired else torch.tensor([60.0, 1.0, 12000.0, 1.0, 3000.0, 1.0])
    batches = []
    for _ in range(60):
        x = torch.randn(32, 6)
        times = (-2 * x[:, 0] + x[:, 2]).exp() * (1 + 0.1 * torch.rand(32))
        batches.append((x * units, times))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, partial_likelihood),
        Expected(("input-scale",), (), (), 0),
    )
