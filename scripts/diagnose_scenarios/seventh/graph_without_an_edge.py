"""The mean over the neighbours in a graph without edges is 0 / 0 (as in dmlc/dgl issue 2777)."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class SageConv(nn.Module):
    def __init__(self, inputs: int, outputs: int, least: float) -> None:
        super().__init__()
        self.own = nn.Linear(inputs, outputs)
        self.neigh = nn.Linear(inputs, outputs, bias=False)
        self.least = least

    def forward(self, x: Tensor, source: Tensor, target: Tensor) -> Tensor:
        total = torch.zeros_like(x).index_add(0, target, x[source])
        degree = torch.zeros(len(x)).index_add(0, target, torch.ones(len(target)))
        return self.own(x) + self.neigh(total / degree.clamp(min=self.least)[:, None])


class Net(nn.Module):
    def __init__(self, width: int, least: float) -> None:
        super().__init__()
        self.sage = SageConv(5, width, least)
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor, source: Tensor, target: Tensor) -> Tensor:
        return self.head(self.sage(x, source, target).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, nodes = knobs.step(), knobs.pick(14, 18)
    model = Net(knobs.pick(12, 16), 1.0 if repaired else 0.0)
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        x, source, target, y = batch
        optimizer.zero_grad()
        loss = kit.cross_entropy(model(x, source, target), y)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number, (x, y) in enumerate(kit.classes(50, nodes, 5, 3)):
        ring = torch.arange(nodes)
        edges = (ring, ring.roll(1)) if number != step else (ring[:0], ring[:0])
        batches.append((x, *edges, y))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("division-by-zero",), ("forward",), ("sage",), step),
    )
