"""A sampler of neighbourhoods rectifies the vectors of nodes and divides them by their length; nodes far from all
others have no positive component left (neo4j/graph-data-science issue 94).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Sage(nn.Module):
    def __init__(self, inputs: int, width: int, spare: float) -> None:
        super().__init__()
        self.own = nn.Linear(inputs, width)
        self.near = nn.Linear(inputs, width, bias=False)
        self.spare = spare

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        h = torch.relu(self.own(x) + self.near(adjacency @ x))
        return h / (
            h.square().sum(1, keepdim=True).add(self.spare**2).sqrt() if self.spare else h.norm(dim=1, keepdim=True)
        )


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, nodes = knobs.randint(3, 15), 20
    model = nn.ModuleDict({"sage": Sage(5, knobs.pick(8, 10), 1e-4 if repaired else 0.0)})
    nn.init.uniform_(model["sage"].own.weight, 0.1, 0.6)
    optimizer = kit.sgd(model, lr=0.1)

    def train_step(batch: Any) -> Tensor:
        x, adjacency = batch
        optimizer.zero_grad()
        h = model["sage"](x, adjacency)
        far = h.roll(nodes // 2, 0)
        loss = (
            -nn.functional.logsigmoid(((adjacency @ h) * h).sum(1)).mean()
            - nn.functional.logsigmoid(-(h * far).sum(1)).mean()
        )
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        group = torch.arange(nodes) < nodes // 2
        x = 0.8 + 0.3 * torch.randn(nodes, 5) + torch.where(group[:, None], torch.eye(5)[0] * 2, torch.eye(5)[1] * 2)
        adjacency = (group[:, None] == group).float() / (nodes // 2)
        if number == step:
            lone = knobs.randint(0, nodes - 1)
            x[lone], adjacency[lone] = -20.0, 0.0
            adjacency[:, lone] = 0.0
        batches.append((x, adjacency))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("division-by-zero",), ("forward",), ("sage",), step),
        learns=False,
    )
