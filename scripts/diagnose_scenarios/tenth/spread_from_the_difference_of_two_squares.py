"""A compiled norm takes the variance as the mean of squares less the square of the mean; for large entries that lie
close together the difference is below zero, which eager code never meets (pytorch/pytorch issue 178084).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Norm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        spread = torch.var(x, -1, correction=0, keepdim=True)
        return (x - x.mean(-1, keepdim=True)) / torch.sqrt(spread + 1e-5) * self.weight + self.bias


class Net(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.norm = Norm(inputs)
        self.lin = nn.Linear(inputs, width)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lin(self.norm(x)).relu())


def two_squares(x: Tensor) -> Tensor:
    return (x * x).mean(-1, keepdim=True) - x.mean(-1, keepdim=True) ** 2


def backend(graph: Any, inputs: Any) -> Any:
    for node in graph.graph.nodes:
        if node.target is torch.var:
            node.target, node.args, node.kwargs = two_squares, node.args[:1], {}
    graph.recompile()
    return graph.forward


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    step, level = knobs.randint(4, 12), knobs.pick(6000.0, 8000.0)
    plain = Net(8, knobs.pick(12, 16))
    model = torch.compile(plain, backend="eager" if repaired else backend)
    optimizer = kit.adam(plain, lr=0.02)
    batches = kit.regression(60, 64, 8)
    x, y = batches[step]
    batches = kit.at(batches, step, (level + 0.3 * x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("compiler",), ("forward",), ("norm",), step),
    )
