"""A graph net whose normalisation counts every node as its own neighbour, so that lonely nodes divide by one."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Gcn(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.lin1, self.lin2 = nn.Linear(6, width), nn.Linear(width, 1)

    def forward(self, graph: tuple[Tensor, Tensor]) -> Tensor:
        x, edges = graph
        near = edges + torch.eye(len(edges))
        root = near.sum(1).rsqrt()
        near = root[:, None] * near * root
        return near @ self.lin2((near @ self.lin1(x)).relu())


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Gcn(knobs.pick(24, 32))
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for _ in range(60):
        edges = (torch.rand(20, 20) < 0.05).float().triu(1)
        x = torch.randn(20, 6)
        batches.append(((x, edges + edges.t()), x.mean(1, keepdim=True)))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares))
