"""A graph net sums the messages of all neighbours in layer after layer and has no norm between them; NaN comes from
activations that explode, and a norm or clipping ends it (cvignac/SMP issue 3).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Sum(nn.Module):
    def __init__(self, width: int, normed: bool) -> None:
        super().__init__()
        self.own, self.other = nn.Linear(width, width), nn.Linear(width, width)
        self.norm = nn.LayerNorm(width) if normed else nn.Identity()

    def forward(self, h: Tensor, links: Tensor) -> Tensor:
        return self.norm(self.own(h) + links @ self.other(h)).relu() + h


class GraphNet(nn.Module):
    def __init__(self, layers: int, width: int, normed: bool) -> None:
        super().__init__()
        self.inp = nn.Linear(4, width)
        self.rounds = nn.ModuleList(Sum(width, normed) for _ in range(layers))
        self.final = nn.LayerNorm(width) if normed else nn.Identity()
        self.out = nn.Linear(width, 1)

    def forward(self, nodes: Tensor, links: Tensor) -> Tensor:
        h = self.inp(nodes)
        for each in self.rounds:
            h = each(h, links)
        return self.out(self.final(h)).squeeze(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    count = knobs.pick(14, 16)
    model = GraphNet(knobs.pick(7, 8), 12, repaired)
    optimizer = kit.sgd(model, lr=0.02, momentum=0.9)

    def train_step(batch: Any) -> Tensor:
        nodes, links, wanted = batch
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(nodes, links), wanted)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for _ in range(50):
        links = (torch.rand(4, count, count) < 0.5).float().triu(1)
        nodes = torch.randn(4, count, 4)
        batches.append((nodes, links + links.transpose(1, 2), nodes[..., 0] - nodes[..., 1]))
    return Scenario(model, optimizer, batches, train_step, Expected(("exploding-gradients",), (), (), None))
