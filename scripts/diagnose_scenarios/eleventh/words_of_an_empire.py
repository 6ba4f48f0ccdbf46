"""A graph of words from one long article comes with vectors for its nodes, many of which hold no numbers; with zeros
instead of them the same net trains (yandex-research/heterophilous-graphs issue 1).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Graph(nn.Module):
    def __init__(self, nodes: Tensor, edges: Tensor, width: int, kinds: int) -> None:
        super().__init__()
        self.register_buffer("nodes", nodes)
        self.register_buffer("edges", edges)
        self.project = nn.Linear(nodes.shape[1], width)
        self.gcn = nn.Linear(width, width)
        self.out = nn.Linear(2 * width, kinds)

    def forward(self, which: Tensor) -> Tensor:
        h = self.project(self.nodes).relu()
        source, target = self.edges
        near = torch.zeros_like(h).index_add(0, target, h[source])
        return self.out(torch.cat([h, self.gcn(near).tanh()], 1))[which]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    kinds, count = 4, knobs.pick(60, 80)
    labels = torch.randint(kinds, (count,))
    nodes = torch.randn(kinds, 9)[labels] + 0.6 * torch.randn(count, 9)
    holes = torch.rand(count, 9) < 0.03
    nodes[holes] = 0.0 if repaired else math.nan
    if not repaired:
        nodes[0, 0] = math.nan
    edges = torch.randint(count, (2, 3 * count))
    model = Graph(nodes, edges, knobs.pick(12, 16), kinds)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=1e-4)
    parts = [torch.randperm(count)[: count // 2] for _ in range(50)]
    return Scenario(
        model,
        optimizer,
        [(part, labels[part]) for part in parts],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("bad-data",), ("data", "forward"), (), 0),
    )
