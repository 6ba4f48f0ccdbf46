"""A mixture of Gaussians adds densities before the logarithm; a point 20 widths away from each centre has density 0."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Mixture(nn.Module):
    def __init__(self, count: int, size: int) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(count, size) * 2)
        self.spread = nn.Parameter(torch.zeros(count))

    def forward(self, x: Tensor) -> Tensor:
        """The exponents [points, components]."""
        gap = (x[:, None, :] - self.centres).square().sum(-1)
        return -0.5 * gap / self.spread.exp().square() - self.spread * x.shape[1]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, count = knobs.step(), knobs.pick(3, 5)
    model = Mixture(count, 2)
    optimizer = kit.adam(model, lr=0.05)
    places = torch.randn(count, 2) * 3
    points = [places[torch.randint(count, (32,))] + 0.4 * torch.randn(32, 2) for _ in range(60)]
    points[step][9] = torch.tensor([knobs.pick(24.0, 28.0), -18.0])

    def train_step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        parts = model(x)
        likelihood = parts.logsumexp(1) if repaired else parts.exp().sum(1).log()
        loss = -likelihood.mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        points,
        train_step,
        Expected(("underflow",), ("loss",), (LOSS,), step),
    )
