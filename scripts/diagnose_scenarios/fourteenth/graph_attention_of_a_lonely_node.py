"""Graph attention takes a softmax over neighbours only, and one node of one graph has lost its edge to itself."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn
from torch.nn import functional


class GraphAttention(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.lin = nn.Linear(inputs, outputs)
        self.left, self.right = nn.Linear(outputs, 1), nn.Linear(outputs, 1)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        h = self.lin(x)
        scores = functional.leaky_relu(self.left(h) + self.right(h).transpose(1, 2), 0.2)
        return torch.softmax(torch.where(edges, scores, torch.tensor(-math.inf)), -1) @ h


class GraphNet(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gat1, self.gat2 = GraphAttention(4, width), GraphAttention(width, width)
        self.read = nn.Linear(width, 2)

    def forward(self, graph: tuple[Tensor, Tensor]) -> Tensor:
        x, edges = graph
        return self.read(self.gat2(functional.elu(self.gat1(x, edges)), edges).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, nodes = knobs.step(), knobs.pick(6, 8)
    model = GraphNet(knobs.pick(8, 10))
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for i in range(60):
        y = torch.randint(2, (8,))
        edges = (torch.rand(8, nodes, nodes) < 0.4) | torch.eye(nodes).bool()
        if i == step and not repaired:
            edges[2, 3] = False
        batches.append(((torch.randn(8, nodes, 4) + y[:, None, None], edges), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("masked-softmax",), ("forward",), ("gat1",), step),
    )
