"""The mean over neighbours divides by the degree; a graph of one batch has a node without edges
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
        self.own, self.near = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs, bias=False)
        self.least = least

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        degree = edges.sum(-1, keepdim=True)
        return self.own(x) + self.near(edges @ x / degree.clamp(min=self.least))


class Net(nn.Module):
    def __init__(self, width: int, least: float) -> None:
        super().__init__()
        self.conv1, self.conv2 = Sage(6, width, least), Sage(width, 1, least)

    def forward(self, graph: tuple[Tensor, Tensor]) -> Tensor:
        x, edges = graph
        return self.conv2(self.conv1(x, edges).relu(), edges)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, nodes = knobs.step(), knobs.pick(20, 24)
    model = Net(16, 1.0 if repaired else 0.0)
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for number in range(60):
        edges = (torch.rand(nodes, nodes) < 0.3).float()
        edges = ((edges + edges.t() + torch.eye(nodes)) > 0).float()
        if number == step:
            lonely = knobs.randint(0, nodes - 1)
            edges[lonely], edges[:, lonely] = 0, 0
        x = torch.randn(nodes, 6)
        batches.append(((x, edges), x.mean(1, keepdim=True)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("division-by-zero",), ("forward",), ("conv1",), step),
    )
