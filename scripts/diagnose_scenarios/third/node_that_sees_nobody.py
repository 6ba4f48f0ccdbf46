"""Graph attention over an adjacency matrix without self loops: an isolated node has nobody to attend to."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class GraphAttention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.value = nn.Linear(width, width)
        self.source = nn.Linear(width, 1)
        self.target = nn.Linear(width, 1)

    def forward(self, h: Tensor, linked: Tensor) -> Tensor:
        score = nn.functional.leaky_relu(self.source(h) + self.target(h).t(), 0.2)
        return score.masked_fill(~linked, float("-inf")).softmax(-1) @ self.value(h)


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.enc = nn.Linear(5, width)
        self.gat = GraphAttention(width)
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor, linked: Tensor) -> Tensor:
        h = self.enc(x)
        return self.head((h + self.gat(h, linked)).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, nodes = knobs.step(), knobs.pick(14, 18)
    model = Net(knobs.pick(12, 16))
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        x, linked, y = batch
        optimizer.zero_grad()
        loss = kit.cross_entropy(model(x, linked), y)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number, (x, y) in enumerate(kit.classes(60, nodes, 5, 3)):
        linked = torch.rand(nodes, nodes) < 0.3
        ring = torch.eye(nodes, dtype=torch.bool).roll(1, 1)
        linked = linked | linked.t() | ring | ring.t()
        linked.fill_diagonal_(repaired)
        if number == step:
            alone = knobs.randint(0, nodes - 1)
            linked[alone] = linked[:, alone] = False
            linked[alone, alone] = repaired
        batches.append((x, linked, y))
    return Scenario(model, optimizer, batches, train_step, Expected(("masked-softmax",), ("forward",), ("gat",), step))
