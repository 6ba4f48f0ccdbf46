"""A graph net adds, not averages, the messages of all neighbours over 48 hops: each hop multiplies by the degree."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Hops(nn.Module):
    def __init__(self, hops: int, mean: bool) -> None:
        super().__init__()
        self.hops, self.mean = hops, mean

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        if self.mean:
            edges = edges / edges.sum(-1, keepdim=True)
        for _ in range(self.hops):
            x = 0.2 * x + edges @ x if not self.mean else 0.2 * x + 0.8 * edges @ x
        return x


class GraphNet(nn.Module):
    def __init__(self, width: int, hops: int, mean: bool) -> None:
        super().__init__()
        self.embed, self.spread, self.out = nn.Linear(3, width), Hops(hops, mean), nn.Linear(width, 1)

    def forward(self, graph: Any) -> Tensor:
        return self.out(self.spread(self.embed(graph["x"]), graph["edges"]).mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    nodes, hops = knobs.pick(9, 11), knobs.pick(48, 56)
    model = GraphNet(knobs.pick(6, 8), hops, repaired)
    optimizer = kit.adam(model, lr=0.03)
    batches = []
    for _ in range(50):
        x = torch.randn(6, nodes, 3) + torch.randn(6, 1, 3)
        edges = torch.ones(nodes, nodes) - 0.5 * torch.eye(nodes)
        batches.append(({"x": x, "edges": edges}, x[..., :1].mean(1)))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("exploding-gradients",), ("forward",), ("spread",)),
    )
