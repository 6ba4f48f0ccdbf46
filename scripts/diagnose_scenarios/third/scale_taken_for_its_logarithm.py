"""A normalising flow's log scale begins at the scale itself: its exponential is beyond float32 at once."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Affine(nn.Module):
    """z and the log determinant."""

    def __init__(self, width: int, log_scale: float) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.full((width,), log_scale))
        self.shift = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x * self.log_scale.exp() + self.shift, self.log_scale.sum()


class Flow(nn.Module):
    def __init__(self, width: int, log_scale: float) -> None:
        super().__init__()
        self.turn = nn.Linear(width, width, bias=False)
        self.affine = Affine(width, log_scale)
        nn.init.eye_(self.turn.weight)
        self.turn.requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.affine(self.turn(x))


def build(seed: int, repaired: bool = False) -> Scenario:
    """Data of a spread of about a hundredth, off centre."""
    knobs = kit.Knobs(seed)
    scale = knobs.pick(100.0, 120.0)
    model = Flow(4, math.log(scale) if repaired else scale)
    optimizer = kit.adam(model, lr=0.05)

    def likelihood(output: tuple[Tensor, Tensor], _: Tensor) -> Tensor:
        z, log_determinant = output
        return 0.5 * z.square().sum(1).mean() - log_determinant + 25

    xs = [0.03 + 0.01 * torch.randn(32, 4) for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(x, x) for x in xs],
        kit.train(model, optimizer, likelihood),
        Expected(("initialisation",), ("forward",), ("affine",)),
    )
