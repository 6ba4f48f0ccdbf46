"""Matrices are projected onto rotations by their singular vectors before they are compared; of a matrix that is one
already all singular values are alike, and the gradient of the decomposition divides by their differences
(geomstats/geomstats pull request 176).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Project(nn.Module):
    def __init__(self, skip: bool) -> None:
        super().__init__()
        self.skip = skip

    def forward(self, matrix: Tensor) -> Tensor:
        if self.skip:
            return matrix
        u, _, vh = torch.linalg.svd(matrix)
        return u @ vh


class Turn(nn.Module):
    def __init__(self, inputs: int, width: int, skip: bool) -> None:
        super().__init__()
        self.lin = nn.Linear(inputs, width, bias=False)
        self.vector = nn.Linear(width, 9, bias=False)
        self.projection = Project(skip)

    def forward(self, x: Tensor) -> Tensor:
        offset = self.vector(self.lin(x).tanh()).unflatten(1, (3, 3))
        return self.projection(torch.eye(3) + 0.3 * offset)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs, step = 6, knobs.randint(7, 23)
    model = kit.named(turn=Turn(inputs, knobs.pick(12, 16), repaired))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def train_step(batch: Any) -> Tensor:
        x, points, moved = batch
        loss = (points @ model(x).transpose(1, 2) - moved).square().sum(-1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    teacher = torch.randn(inputs, 3) / 4
    batches = []
    for number in range(60):
        x = torch.randn(16, inputs)
        if number == step:
            x[knobs.randint(0, 15)] = 0.0
        a, b, c = (x @ teacher).unbind(1)
        zero = torch.zeros_like(a)
        truth = torch.linalg.matrix_exp(torch.stack([zero, -c, b, c, zero, -a, -b, a, zero], 1).reshape(-1, 3, 3))
        points = torch.randn(16, 4, 3)
        batches.append((x, points, points @ truth.transpose(1, 2)))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("singular-gradient",), ("backward",), ("turn.projection", "turn"), step),
    )
