"""A graph net adds up its neighbours in every round; on a graph of large diameter the rounds never end."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Round(nn.Module):
    def __init__(self, width: int, mean: bool) -> None:
        super().__init__()
        self.lin = nn.Linear(width, width)
        self.mean = mean

    def forward(self, h: Tensor, edges: Tensor) -> Tensor:
        near = edges @ h
        if self.mean:
            near = near / edges.sum(1, keepdim=True)
        return nn.functional.leaky_relu(self.lin(near), 0.3)


class Net(nn.Module):
    def __init__(self, width: int, mean: bool) -> None:
        super().__init__()
        self.enc = nn.Linear(4, width)
        self.round = Round(width, mean)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor, edges: Tensor, rounds: int) -> Tensor:
        first = h = self.enc(x)
        for _ in range(rounds):
            h = first + self.round(h, edges)
        return self.head(h).squeeze(1)


def circle(nodes: int, reach: int) -> Tensor:
    """Each node knows `reach` nodes on either side."""
    row = torch.zeros(nodes)
    for distance in range(1, reach + 1):
        row[distance] = row[-distance] = 1.0
    return torch.stack([row.roll(shift) for shift in range(nodes)])


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, nodes = knobs.step(), 16
    model = Net(knobs.pick(12, 16), repaired)
    optimizer = kit.adam(model, lr=0.005)
    edges = circle(nodes, knobs.pick(5, 6))
    teacher = torch.randn(4)

    def train_step(batch: Any) -> Tensor:
        x, y, rounds = batch
        optimizer.zero_grad()
        loss = kit.squares(model(x, edges, rounds), y)
        loss.backward()
        optimizer.step()
        return loss

    xs = [torch.randn(nodes, 4) for _ in range(100)]
    batches = [(x, x @ teacher, knobs.pick(160, 180) if number == step else 2) for number, x in enumerate(xs)]
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("exploding-gradients",), ("forward",), ("round", "round.lin"), step),
    )
