"""Graph attention over the neighbours of a node that has none."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class GraphAttention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.key = nn.Linear(5, width)
        self.value = nn.Linear(5, width)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        k = self.key(x)
        scores = torch.where(edges, k @ k.transpose(1, 2) / 3, float("-inf"))
        return torch.softmax(scores, -1) @ self.value(x)


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gat = GraphAttention(width)
        self.out = nn.Linear(width, 1)

    def forward(self, graph: Any) -> Tensor:
        return self.out(self.gat(*graph).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, nodes = knobs.step(), knobs.pick(5, 7)
    model = Net(knobs.pick(8, 12))
    optimizer = kit.adam(model, lr=0.02)
    batches = [((x, torch.rand(8, nodes, nodes) > 0.4), y) for x, y in kit.sequences(80, 8, nodes, 5)]
    for (_, edges), _ in batches:
        edges |= torch.eye(nodes, dtype=torch.bool)
    if not repaired:
        batches[step][0][1][3, 2] = False
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("masked-softmax",), ("forward",), ("gat",), step),
    )
