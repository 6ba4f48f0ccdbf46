"""Facts of a knowledge graph are scored by a convolution over both embeddings, normalised over the batch by hand; one
fact alone has no spread, and its deviation is no number (pykeen/pykeen pull request 113).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Norm(nn.Module):
    """To zero mean and unit deviation over the facts of a batch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return (x - x.mean(0)) / (x.std(0) + 1e-5) * self.gain + self.shift


class ConvE(nn.Module):
    def __init__(self, entities: int, relations: int, width: int) -> None:
        super().__init__()
        self.entity, self.relation = nn.Embedding(entities, width), nn.Embedding(relations, width)
        self.hr2d = nn.Conv2d(1, 3, 3, padding=1)
        self.bn2 = Norm(3 * 2 * width)
        self.hr1d = nn.Linear(3 * 2 * width, width)

    def forward(self, head: Tensor, relation: Tensor) -> Tensor:
        pair = torch.stack([self.entity(head), self.relation(relation)], 1)[:, None]
        h = self.bn2(self.hr2d(pair).flatten(1)).relu()
        return self.hr1d(h) @ self.entity.weight.t()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    entities, step = 12, knobs.randint(8, 38)
    model = ConvE(entities, 3, knobs.pick(8, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    tails = torch.randint(entities, (entities, 3))

    def train_step(fact: Any) -> Tensor:
        head, relation = fact
        loss = nn.functional.cross_entropy(model(head, relation), tails[head, relation], label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    facts = []
    for number in range(60):
        many = 1 if number == step and not repaired else 24
        facts.append((torch.randint(entities, (many,)), torch.randint(3, (many,))))
    return Scenario(model, optimizer, facts, train_step, Expected(("batch-statistics",), ("forward",), ("bn2",), step))
