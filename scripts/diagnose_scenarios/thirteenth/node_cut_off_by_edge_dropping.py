"""Graph attention masks all but neighbours; dropping edges at random left one node none, not even itself."""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attend(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.lin, self.left, self.right = nn.Linear(width, width), nn.Linear(width, 1), nn.Linear(width, 1)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        h = self.lin(x)
        scores = nn.functional.leaky_relu(self.left(h) + self.right(h).mT, 0.2)
        return torch.softmax(scores.masked_fill(edges == 0, -math.inf), 1) @ h


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.att, self.out = Attend(width), nn.Linear(width, 2)

    def forward(self, graph: Any) -> Tensor:
        return self.out(self.att(*graph).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, nodes, width = knobs.randint(10, 24), knobs.pick(14, 18), 8
    model = Net(width)
    optimizer = kit.adam(model, lr=0.02)
    x, y = kit.classes(1, nodes, width, 2)[0]
    batches = []
    for _ in range(50):
        edges = ((torch.rand(nodes, nodes) > 0.6) & (y[:, None] == y)).float()
        edges.fill_diagonal_(1.0)
        batches.append(((x, edges), y))
    if not repaired:
        batches[step][0][1][knobs.randint(0, nodes - 1)] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("masked-softmax",), ("forward",), ("att",), step),
    )
