"""GraphSAGE's mean over neighbours divides by the degree, and one graph has a node without an edge
(MrLeeeee/GCN-GAT-and-Graphsage issue 3).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class SageLayer(nn.Module):
    def __init__(self, inputs: int, outputs: int, least: float) -> None:
        super().__init__()
        self.w_self = nn.Linear(inputs, outputs)
        self.w_neighbour = nn.Linear(inputs, outputs, bias=False)
        self.least = least

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        degree = adjacency.sum(1, keepdim=True)
        return self.w_self(x) + self.w_neighbour(adjacency @ x / (degree + self.least))


class GraphSage(nn.Module):
    def __init__(self, inputs: int, width: int, classes: int, least: float) -> None:
        super().__init__()
        self.conv1 = SageLayer(inputs, width, least)
        self.conv2 = SageLayer(width, classes, least)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        return self.conv2(self.conv1(x, adjacency).relu(), adjacency)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, nodes = knobs.step(), knobs.pick(20, 24)
    model = GraphSage(6, knobs.pick(12, 16), 3, 1e-5 if repaired else 0.0)
    optimizer = kit.adam(model, lr=0.02, weight_decay=5e-4)
    centres = torch.randn(3, 6)

    def train_step(graph: Any) -> Tensor:
        optimizer.zero_grad()
        logits = model(graph["x"], graph["adj"])
        loss = nn.functional.nll_loss(logits.log_softmax(1), graph["y"])
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(50):
        y = torch.randint(3, (nodes,))
        likely = torch.where(y[:, None] == y, 0.6, 0.1)
        half = (torch.rand(nodes, nodes) < likely).float().triu(1)
        ring = torch.eye(nodes).roll(1, 0)
        adjacency = ((half + half.t() + ring + ring.t()) > 0).float()
        if number == step:
            lonely = knobs.randint(0, nodes - 1)
            adjacency[lonely], adjacency[:, lonely] = 0, 0
        batches.append({"x": centres[y] + 1.5 * torch.randn(nodes, 6), "adj": adjacency, "y": y})
    expected = Expected(("division-by-zero",), ("forward",), ("conv1",), step)
    return Scenario(model, optimizer, batches, train_step, expected)
