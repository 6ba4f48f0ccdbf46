"""One over the distance was stored for each edge of a graph, and two atoms of one file stand at the same place."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Edges(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.edge = nn.Linear(1, width)
        self.node = nn.Linear(width, 1)

    def forward(self, graph: tuple[Tensor, Tensor, int]) -> Tensor:
        inverse, target, nodes = graph
        sent = torch.tanh(self.edge(inverse)) * inverse
        return self.node(torch.zeros(nodes, sent.shape[1]).index_add(0, target, sent)).mean(0)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, nodes = knobs.step(), knobs.pick(7, 9)
    model = Edges(knobs.pick(8, 12))
    optimizer = kit.adam(model, lr=0.02)
    graphs = []
    for i in range(60):
        inverse = 0.3 + torch.rand(30, 1)
        y = inverse.sum(0) / nodes
        if i == step and not repaired:
            inverse[11] = math.inf
        graphs.append(((inverse, torch.randint(nodes, (30,)), nodes), y))
    return Scenario(
        model,
        optimizer,
        graphs,
        kit.train(model, optimizer, kit.squares),
        Expected(("bad-data",), ("data",), (), step),
    )
