"""Attention over the edges of a graph takes the exponential of its scores as they are; in float16 a score of twelve is
enough for infinity (JuliaGraphs/GraphNeuralNetworks.jl issue 246).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class GraphAttention(nn.Module):
    def __init__(self, inputs: int, width: int, shifted: bool) -> None:
        super().__init__()
        self.lin = nn.Linear(inputs, width, bias=False)
        self.left, self.right = nn.Linear(width, 1, bias=False), nn.Linear(width, 1, bias=False)
        self.shifted = shifted

    def forward(self, x: Tensor, source: Tensor, target: Tensor) -> Tensor:
        h = self.lin(x)
        score = nn.functional.leaky_relu(self.left(h)[source] + self.right(h)[target], 0.2)
        if self.shifted:
            top = torch.full((len(x), 1), -1e4, dtype=score.dtype)
            top = top.scatter_reduce(0, target[:, None], score.detach(), "amax")
            score = score - top[target]
        weight = score.exp()
        total = torch.zeros(len(x), 1, dtype=h.dtype).index_add(0, target, weight)
        return torch.zeros_like(h).index_add(0, target, weight * h[source]) / total


class Net(nn.Module):
    def __init__(self, inputs: int, width: int, classes: int, shifted: bool) -> None:
        super().__init__()
        self.gat = GraphAttention(inputs, width, shifted)
        self.head = nn.Linear(width, classes)

    def forward(self, graph: Any) -> Tensor:
        return self.head(self.gat(*graph).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, nodes = knobs.randint(7, 19), knobs.pick(20, 24)
    model = Net(6, 12, 3, repaired)
    optimizer = kit.adam(model, lr=0.01)
    centres = torch.randn(3, 6)
    batches = []
    for number in range(60):
        y = torch.arange(nodes) * 3 // nodes
        x = centres[y] + 0.4 * torch.randn(nodes, 6)
        if number == step:
            x = x * 250
        target = torch.arange(nodes).repeat(4)
        source = (target + torch.randint(-1, 2, target.shape)).clamp(0, nodes - 1)
        batches.append(((x, source, target), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("gat",), step),
    )
