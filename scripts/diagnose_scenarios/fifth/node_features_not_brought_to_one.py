"""Nodes are embedded as Gaussians, and their features are raw amounts of up to a hundred thousand instead of numbers
between 0 and 1 (abojchevski/graph2gauss issue 8).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Graph2Gauss(nn.Module):
    def __init__(self, inputs: int, width: int, latents: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, width)
        self.mu, self.sigma = nn.Linear(width, latents), nn.Linear(width, latents)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.hidden(x).relu()
        return self.mu(h), nn.functional.elu(self.sigma(h)) + 1 + 1e-14


def energy(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> Tensor:
    """Divergence of b from a."""
    ratio = b[1] / a[1]
    return 0.5 * (ratio - ratio.log() - 1 + (a[0] - b[0]).square() / a[1]).sum(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs = knobs.pick(10, 12)
    model = Graph2Gauss(inputs, 16, 3)
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        node, near, far = ((model(part)) for part in batch)
        loss = (energy(node, near).square() + (-energy(node, far)).exp()).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    centres = torch.rand(4, inputs)
    largest = 1.0 if repaired else 1e5
    batches = []
    for _ in range(80):
        group = torch.randint(4, (24,))
        other = (group + torch.randint(1, 4, (24,))) % 4
        parts = [centres[of] + 0.05 * torch.rand(24, inputs) for of in (group, group, other)]
        batches.append(tuple(largest * part for part in parts))
    return Scenario(model, optimizer, batches, train_step, Expected(("input-scale",), ("data", "loss"), (LOSS,)))
