"""Graphs come as objects of the user's own; an attribute of one edge of one graph is not a number."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Graph(NamedTuple):
    nodes: Tensor
    ends: Tensor
    attributes: Tensor
    label: Tensor


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.message = nn.Linear(4 + 2, width)
        self.update = nn.Linear(4 + width, width)
        self.head = nn.Linear(width, 3)

    def forward(self, graph: Graph) -> Tensor:
        source, target = graph.ends
        sent = self.message(torch.cat([graph.nodes[source], graph.attributes], 1)).relu()
        got = sent.new_zeros(len(graph.nodes), sent.shape[1]).index_add(0, target, sent)
        return self.head(self.update(torch.cat([graph.nodes, got], 1)).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, edges = knobs.step(), knobs.pick(40, 50)
    model = Net(knobs.pick(12, 16))
    optimizer = kit.adam(model, lr=0.02)
    graphs = [
        Graph(x, torch.randint(len(x), (2, edges)), torch.rand(edges, 2), y) for x, y in kit.classes(60, 20, 4, 3)
    ]
    if not repaired:
        graphs[step].attributes[knobs.randint(0, edges - 1), 1] = float("nan")

    def train_step(graph: Any) -> Tensor:
        optimizer.zero_grad()
        loss = kit.cross_entropy(model(graph), graph.label)
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(model, optimizer, graphs, train_step, Expected(("bad-data",), ("data",), (), step))
