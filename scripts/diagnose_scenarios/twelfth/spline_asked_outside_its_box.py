"""A spline is also computed for points outside its box, where a straight line is taken in its stead; its unused
logarithm has an infinite slope there (bayesflow-org/bayesflow pull request 758).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Spline(nn.Module):
    """One bin from -box to box with a bend, the identity outside; gives the value and the log of its slope."""

    def __init__(self, box: float, safe: bool) -> None:
        super().__init__()
        self.bend = nn.Parameter(torch.tensor(0.1))
        self.shift = nn.Parameter(torch.tensor(0.0))
        self.box, self.safe = box, safe

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = x + self.shift
        inside = x.abs() < self.box
        part = torch.where(inside, x, 0.0) if self.safe else x
        xi = part / self.box
        bump = (1 - xi.square()).clamp(min=0.0)
        slope = (1 - 4 * self.bend.tanh() * xi * bump / 4) * bump + (1 - bump).clamp(max=1.0) * (xi.abs() < 1)
        value = part + self.bend.tanh() * self.box * bump.square() / 4
        return torch.where(inside, value, x), torch.where(inside, slope.log(), 0.0)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.randint(6, 22), knobs.pick(8, 12)
    spline = Spline(knobs.pick(9.0, 10.0), repaired)
    model = kit.named(net=nn.Sequential(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 1)), spline=spline)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        z, logdet = spline(y - model.net(x))
        loss = (0.5 * z.square() - logdet).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = kit.regression(50, 48, 3)
    batches = [(x, 2 * y) for x, y in batches]
    batches[step][1][knobs.randint(0, 47)] = knobs.pick(-1, 1) * knobs.pick(14.0, 18.0)
    return Scenario(
        model, optimizer, batches, train_step, Expected(("singular-gradient",), ("backward",), ("spline",), step)
    )
