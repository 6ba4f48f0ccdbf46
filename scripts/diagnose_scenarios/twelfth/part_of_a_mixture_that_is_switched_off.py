"""A mixture with one part of weight zero has a finite density, since what is infinite is masked; the slope of the
logarithm of its weight is not (pyro-ppl/numpyro pull request 2224).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Mixing(nn.Module):
    def __init__(self, inputs: int, parts: int, safe: bool) -> None:
        super().__init__()
        self.weights = nn.Linear(inputs, parts)
        self.centres = nn.Parameter(torch.linspace(-2, 2, parts))
        self.safe = safe

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        weights = self.weights(x).relu() + 0.05 * (x[:, :1] > 0)
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-3)
        density = torch.exp(-0.5 * (y[:, None] - self.centres).square())
        if self.safe:
            return (weights * density).sum(1).clamp(min=1e-6).log()
        parts = torch.where(weights > 0, weights.log() + density.log(), -1e4)
        return torch.logsumexp(parts, 1).clamp(min=-14.0)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs, parts, step = 4, knobs.pick(3, 4), knobs.randint(5, 25)
    model = Mixing(inputs, parts, repaired)
    with torch.no_grad():
        model.weights.weight.mul_(0.1)
        model.weights.bias.fill_(1.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03)

    def train_step(batch: Any) -> Tensor:
        loss = -model(*batch).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(50):
        x = torch.randn(32, inputs)
        if number == step:
            x[0] = -knobs.pick(60.0, 90.0) * model.weights.weight[0].detach().sign()
            x[0, 0] = -x[0, 0].abs()
        batches.append((x, 1.5 + 0.3 * torch.randn(32)))
    return Scenario(model, optimizer, batches, train_step, Expected(("singular-gradient",), ("backward",), (), step))
