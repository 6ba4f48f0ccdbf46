"""A graph comes with negative edge weights, so that a weighted degree is negative and its root NaN (as in
pyg-team/pytorch_geometric issue 61: weights have to be positive).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Convolution(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.lin = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        root = adjacency.sum(1).pow(-0.5)
        return self.lin(root[:, None] * adjacency * root @ x)


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = Convolution(4, width)
        self.conv2 = Convolution(width, 3)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        return self.conv2(self.conv1(x, adjacency).relu(), adjacency)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, nodes = knobs.step(), 14
    model = Net(knobs.pick(12, 16))
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        x, adjacency, y = batch
        optimizer.zero_grad()
        loss = kit.cross_entropy(model(x, adjacency), y)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number, (x, y) in enumerate(kit.classes(50, nodes, 4, 3)):
        weights = torch.rand(nodes, nodes) * (y[:, None] == y) + 0.01
        adjacency = (weights + weights.t()) / 2 + torch.eye(nodes)
        if number == step and not repaired:
            adjacency[2] -= 2.0
        batches.append((x, adjacency, y))
    # the weights are finite: they are bad because the root of their sums does not exist
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("bad-data",), ("data", "forward"), ("conv1",), step),
    )
