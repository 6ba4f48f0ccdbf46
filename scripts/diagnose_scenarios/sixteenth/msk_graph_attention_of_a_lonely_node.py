"""Graph attention takes a softmax over neighbours only; a node that has none, not even itself, has a row of minus
infinity.
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class GraphAttention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.source = nn.Linear(width, 1)
        self.target = nn.Linear(width, 1)
        self.value = nn.Linear(width, width)

    def forward(self, h: Tensor, linked: Tensor) -> Tensor:
        scores = nn.functional.leaky_relu(self.source(h) + self.target(h).transpose(0, 1), 0.2)
        return scores.masked_fill(~linked, -math.inf).softmax(1) @ self.value(h)


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inp = nn.Linear(3, width)
        self.gat1 = GraphAttention(width)
        self.gat2 = GraphAttention(width)
        self.head = nn.Linear(width, 1)

    def forward(self, graph: tuple[Tensor, Tensor]) -> Tensor:
        x, linked = graph
        h = torch.tanh(self.inp(x))
        h = h + self.gat1(h, linked)
        return self.head(h + self.gat2(h, linked))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, nodes = knobs.step(), knobs.pick(9, 12)
    model = Net(knobs.pick(8, 12))
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for i in range(60):
        x, linked = torch.randn(nodes, 3), torch.rand(nodes, nodes) > 0.5
        linked.fill_diagonal_(True)
        if i == step and not repaired:
            linked[knobs.randint(0, nodes - 1)] = False
        batches.append(((x, linked), x[:, :1] + 0.3))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("masked-softmax",), ("forward",), ("gat1",), step),
    )
