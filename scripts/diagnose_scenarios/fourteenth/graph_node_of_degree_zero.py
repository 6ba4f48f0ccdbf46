"""A graph convolution divides by the degree of each node; one graph holds a node with no edge at all."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class GraphConv(nn.Module):
    def __init__(self, inputs: int, outputs: int, least: float) -> None:
        super().__init__()
        self.lin, self.least = nn.Linear(inputs, outputs), least

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        degree = edges.sum(-1, keepdim=True).clamp(min=self.least)
        return self.lin(edges @ x / degree)


class GraphNet(nn.Module):
    def __init__(self, width: int, least: float) -> None:
        super().__init__()
        self.gc1, self.gc2 = GraphConv(5, width, least), GraphConv(width, width, least)
        self.read = nn.Linear(width, 1)

    def forward(self, graph: tuple[Tensor, Tensor]) -> Tensor:
        x, edges = graph
        h = self.gc1(x, edges).relu()
        return self.read(self.gc2(h, edges).relu().mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, nodes = knobs.step(), knobs.pick(7, 9)
    model = GraphNet(knobs.pick(8, 12), 1.0 if repaired else 0.0)
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for i in range(60):
        edges = (torch.rand(8, nodes, nodes) < 0.5).float() * (1 - torch.eye(nodes))
        edges[:, torch.arange(nodes), (torch.arange(nodes) + 1) % nodes] = 1
        x = torch.randn(8, nodes, 5) + torch.randn(8, 1, 5)
        if i == step:
            edges[3, 2] = 0
        batches.append(((x, edges), x.mean((1, 2), keepdim=True)[:, 0]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("division-by-zero",), ("forward",), ("gc1",), step),
    )
