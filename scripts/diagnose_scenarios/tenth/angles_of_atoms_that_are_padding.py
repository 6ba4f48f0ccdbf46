"""Forces come from angles between neighbours; molecules of fewer atoms are padded, and a mask put over the finished
angle hides the value of a padded triple but not its slope (atomistic-machine-learning/schnetpack pull request 87).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Angles(nn.Module):
    def __init__(self, width: int, early: bool) -> None:
        super().__init__()
        self.sharp = nn.Parameter(torch.linspace(0.5, 2.0, width))
        self.energy = nn.Sequential(nn.Linear(width, 16), nn.SiLU(), nn.Linear(16, 1))
        self.early = early

    def forward(self, positions: Tensor, real: Tensor) -> Tensor:
        left, mask = positions[:, 1:] - positions[:, :1], real[:, 1:]
        right, mask = left.roll(-1, 1), mask & mask.roll(-1, 1)
        if self.early:
            left, right = (torch.where(mask[..., None], side, torch.ones_like(side)) for side in (left, right))
        lengths = left.square().sum(-1).sqrt() * right.square().sum(-1).sqrt()
        cosine = (left * right).sum(-1) / (lengths + 1e-9)
        bump = torch.exp(-self.sharp * (1 - cosine[..., None]))
        return self.energy(torch.where(mask[..., None], bump, torch.zeros_like(bump)).sum(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, atoms = knobs.randint(4, 14), 5
    model = nn.ModuleDict({"angles": Angles(knobs.pick(6, 8), repaired)})
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        positions, real, energy = batch
        positions = positions.requires_grad_()
        optimizer.zero_grad()
        made = model["angles"](positions, real)
        (forces,) = torch.autograd.grad(made.sum(), positions, create_graph=True)
        loss = (made - energy).square().mean() + 1e-3 * forces.square().mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(50):
        positions = torch.randn(12, atoms, 3) + torch.arange(atoms)[:, None] * 0.1
        real = torch.ones(12, atoms, dtype=torch.bool)
        if number >= step:
            short = knobs.randint(0, 11)
            real[short, 3:] = False
            positions[short, 3:] = positions[short, :1]
        unit = nn.functional.normalize(positions[:, 1:] - positions[:, :1], dim=-1)
        batches.append((positions, real, 2 * unit.mean(1).square().sum(1, keepdim=True)))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("singular-gradient",), ("backward", "loss"), ("angles",), step),
    )
