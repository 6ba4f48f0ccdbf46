"""A graph net averages each node's neighbours by dividing through its degree; one graph has a node without an edge
(MrLeeeee/GCN-GAT-and-Graphsage issue 3).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Sage(nn.Module):
    def __init__(self, inputs: int, outputs: int, least: float) -> None:
        super().__init__()
        self.own = nn.Linear(inputs, outputs)
        self.others = nn.Linear(inputs, outputs)
        self.least = least

    def forward(self, h: Tensor, adjacency: Tensor) -> Tensor:
        degree = adjacency.sum(-1, keepdim=True).clamp(min=self.least)
        return self.own(h) + self.others(adjacency @ h / degree)


class Net(nn.Module):
    def __init__(self, width: int, least: float) -> None:
        super().__init__()
        self.sage1 = Sage(4, width, least)
        self.sage2 = Sage(width, 1, least)

    def forward(self, graph: tuple[Tensor, Tensor]) -> Tensor:
        h, adjacency = graph
        return self.sage2(self.sage1(h, adjacency).relu(), adjacency).squeeze(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, nodes = knobs.step(), knobs.pick(8, 10)
    model = Net(16, 1.0 if repaired else 0.0)
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for number in range(60):
        h = torch.randn(6, nodes, 4)
        edges = (torch.rand(6, nodes, nodes) < 0.4).float().triu(1)
        edges[:, torch.arange(nodes - 1), torch.arange(1, nodes)] = 1
        adjacency = edges + edges.transpose(1, 2)
        if number == step:
            adjacency[2, 3, :] = adjacency[2, :, 3] = 0
        degree = adjacency.sum(-1, keepdim=True).clamp(min=1)
        batches.append(((h, adjacency), (adjacency @ h / degree).mean(-1) + h[..., 0]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("division-by-zero",), ("forward",), ("sage1",), step),
    )
