"""Predicted points are aligned to a template by the rotation from a singular value decomposition; where the three
singular values are the same, its backward pass divides by their differences (naver/roma issue 6).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Procrustes(nn.Module):
    """The matrix nearest to a rotation: U V^T of the 3 x 3 input, with the sign that keeps hands."""

    def __init__(self, regular: float) -> None:
        super().__init__()
        self.register_buffer("nudge", regular * torch.diag(torch.tensor([1.0, 2.0, 3.0])))

    def forward(self, m: Tensor) -> Tensor:
        u, _, v = torch.linalg.svd(m + self.nudge)
        hand = torch.det(u @ v).detach().sign()
        return torch.cat([u[..., :2], u[..., 2:] * hand[:, None, None]], -1) @ v


class Pose(nn.Module):
    def __init__(self, width: int, regular: float) -> None:
        super().__init__()
        self.inp = nn.Linear(9, width)
        self.out = nn.Linear(width, 9)
        self.align = Procrustes(regular)
        nn.init.zeros_(self.out.weight)
        self.out.bias.data.copy_(torch.eye(3).flatten())

    def forward(self, x: Tensor) -> Tensor:
        return self.align(self.out(self.inp(x).tanh()).view(-1, 3, 3))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Pose(knobs.pick(24, 32), 0.05 if repaired else 0.0)
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        x, rotation = batch
        optimizer.zero_grad()
        loss = (model(x) - rotation).square().sum((1, 2)).mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(60):
        spin = 0.5 * torch.randn(32, 3)
        zero = torch.zeros(32)
        skew = torch.stack([zero, -spin[:, 2], spin[:, 1], spin[:, 2], zero, -spin[:, 0]], 1)
        skew = torch.cat([skew, torch.stack([-spin[:, 1], spin[:, 0], zero], 1)], 1).view(32, 3, 3)
        rotation = torch.linalg.matrix_exp(skew)
        batches.append((rotation.flatten(1) + 0.02 * torch.randn(32, 9), rotation))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("singular-gradient",), ("backward",), ("align",)),
    )
