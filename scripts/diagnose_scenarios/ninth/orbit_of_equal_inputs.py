"""An equivariant norm estimates one deviation for a whole field as the root of a mean of squares less a squared mean;
where every input is the same, rounding takes the difference below zero (QUVA-Lab/escnn pull request 108).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class FieldNorm(nn.Module):
    """Fields of four rotated responses share mean and variance over batch, rotation and place."""

    def __init__(self, fields: int, least: float | None) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(fields, 1))
        self.least = least

    def forward(self, x: Tensor) -> Tensor:
        h = x.unflatten(1, (-1, 4))
        mean = h.mean((0, 2), keepdim=True)
        var = h.square().mean((0, 2), keepdim=True) - mean.square()
        if self.least is not None:
            var = var.clamp_min(self.least)
        return ((h - mean) / (var + 1e-9).sqrt() * self.gain).flatten(1)


class Lift(nn.Module):
    """Sums over two coordinates, so that it turns with them by quarter turns."""

    def __init__(self, fields: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(fields, 2))
        self.bias = nn.Parameter(torch.full((fields,), 40.0))

    def forward(self, x: Tensor) -> Tensor:
        turned = torch.stack([x, torch.stack([-x[:, 1], x[:, 0]], 1), -x, torch.stack([x[:, 1], -x[:, 0]], 1)], 1)
        return (turned @ self.weight.t() + self.bias).transpose(1, 2).flatten(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, fields = knobs.step(), knobs.pick(12, 16)
    model = kit.named(lift=Lift(fields), norm=FieldNorm(fields, 0.0 if repaired else None), act=nn.ELU())
    model.add_module("head", nn.Linear(4 * fields, 1))
    optimizer = kit.adam(model, lr=0.01)
    batches = []
    for number in range(60):
        x = torch.randn(32, 2)
        y = x.norm(dim=1, keepdim=True)
        if number == step:
            x = torch.zeros(32, 2)
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, clip=1.0),
        Expected(("batch-statistics",), ("forward",), ("norm",), step),
    )
