"""A graph layer takes the mean over neighbours by dividing by the degree, and one graph has a node without any."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class MeanConv(nn.Module):
    def __init__(self, inputs: int, width: int, least: float) -> None:
        super().__init__()
        self.own = nn.Linear(inputs, width)
        self.near = nn.Linear(inputs, width)
        self.least = least

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        degree = adjacency.sum(1, keepdim=True).clamp(min=self.least)
        return torch.relu(self.own(x) + self.near(adjacency @ x / degree))


class Graph(nn.Module):
    def __init__(self, width: int, least: float) -> None:
        super().__init__()
        self.conv_a = MeanConv(5, width, least)
        self.conv_b = MeanConv(width, width, least)
        self.head = nn.Linear(width, 1)

    def forward(self, graph: tuple[Tensor, Tensor]) -> Tensor:
        x, adjacency = graph
        return self.head(self.conv_b(self.conv_a(x, adjacency), adjacency).mean(0))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, nodes = knobs.step(), knobs.pick(9, 12)
    model = Graph(knobs.pick(10, 14), 1.0 if repaired else 0.0)
    optimizer = kit.adam(model, lr=0.01)
    batches = []
    for i in range(80):
        x = torch.randn(nodes, 5)
        adjacency = (torch.rand(nodes, nodes) > 0.6).float()
        adjacency = torch.maximum(adjacency, torch.eye(nodes).roll(1, 0))
        if i == step:
            adjacency[2] = 0
        batches.append(((x, adjacency), 4 * x.mean(0)[:1] + 2))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("division-by-zero",), ("forward",), ("conv_a",), step),
    )
