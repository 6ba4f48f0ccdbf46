"""A graph net divides by the root of each node's degree and sets the infinities of isolated nodes to 0, as it should
(wujcan/SGL-TensorFlow issue 19, pyg-team/pytorch_geometric issue 61).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Gcn(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.lin, self.own = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs)

    def forward(self, h: Tensor, adjacency: Tensor) -> Tensor:
        root = adjacency.sum(-1).pow(-0.5)
        root = root.masked_fill(root == float("inf"), 0.0)
        return self.own(h) + (root[..., None] * adjacency * root[..., None, :]) @ self.lin(h)


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gcn1, self.gcn2 = Gcn(4, width), Gcn(width, 1)

    def forward(self, graph: tuple[Tensor, Tensor]) -> Tensor:
        h, adjacency = graph
        return self.gcn2(self.gcn1(h, adjacency).relu(), adjacency).squeeze(-1)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model, nodes = Net(knobs.pick(12, 16)), 8
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for _ in range(60):
        h = torch.randn(6, nodes, 4)
        edges = (torch.rand(6, nodes, nodes) < 0.2).float().triu(1)
        batches.append(((h, edges + edges.transpose(1, 2)), h[..., 0] - h[..., 1]))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares))
