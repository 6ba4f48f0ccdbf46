"""A learnt graph keeps the nearest neighbours whose similarity is positive and is divided by the roots of its sums; one
node has no positive neighbour at all (BorealisAI/SLAPS-GNN issue 3).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Learner(nn.Module):
    def __init__(self, inputs: int, width: int, classes: int, spare: float) -> None:
        super().__init__()
        self.look = nn.Linear(inputs, inputs)
        nn.init.eye_(self.look.weight)
        nn.init.zeros_(self.look.bias)
        self.lin = nn.Linear(inputs, width)
        self.head = nn.Linear(width, classes)
        self.spare = spare

    def graph(self, x: Tensor) -> Tensor:
        similar = nn.functional.normalize(self.look(x), dim=1)
        similar = (similar @ similar.t()).fill_diagonal_(0).relu()
        top = similar.topk(5, dim=1)
        adjacency = torch.zeros_like(similar).scatter(1, top.indices, top.values)
        adjacency = (adjacency + adjacency.t()) / 2
        root = adjacency.sum(1).sqrt()
        return adjacency / (root[:, None] * root + self.spare)

    def forward(self, x: Tensor) -> Tensor:
        graph = self.graph(x)
        return graph @ self.head((graph @ self.lin(x)).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, nodes = knobs.randint(7, 17), knobs.pick(24, 30)
    model = kit.named(learner=Learner(6, 16, 3, 1e-9 if repaired else 0.0))
    optimizer = kit.adam(model, lr=0.01)
    centres = torch.rand(3, 6) * 2 + 0.5
    batches = []
    for number in range(60):
        y = torch.randint(3, (nodes,))
        x = (centres[y] + 0.3 * torch.randn(nodes, 6)).clamp(min=0.05)
        if number == step:
            x[knobs.randint(0, nodes - 1)] = -5.0
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("division-by-zero",), ("forward", "backward"), ("learner",), step),
    )
