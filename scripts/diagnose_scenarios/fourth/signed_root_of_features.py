"""Bilinear features are evened out by their signed square root, whose slope at an exact 0 is infinite."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class SignedRoot(nn.Module):
    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return x.sign() * (x.abs() + self.eps).sqrt()


class Outer(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bi,bj->bij", x, x).flatten(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(5, 6)
    model = kit.named(
        enc=nn.Linear(8, width, bias=False),
        outer=Outer(),
        root=SignedRoot(1e-4 if repaired else 0.0),
        head=nn.Linear(width * width, 1),
    )
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.01)
    batches = [(x, y.abs()) for x, y in kit.regression(70, 32, 8)]
    x, y = batches[step]
    row = knobs.randint(0, 31)
    x[row], y[row] = 0, 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("singular-gradient",), ("backward",), ("root",), step),
    )
