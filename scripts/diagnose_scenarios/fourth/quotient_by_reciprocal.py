"""A compiler turns a quotient into a product with the reciprocal, which is infinite for divisors below 3e-39."""

from __future__ import annotations

import operator
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.inp = nn.Linear(inputs - 1, width)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        ratio = x[:, :1] / x[:, 1:2]
        return self.head(self.inp(torch.cat([ratio, x[:, 2:]], -1)).tanh())


def fast_division(a: Tensor, b: Tensor) -> Tensor:
    return a * b.reciprocal()


def reciprocals(graph: Any, inputs: Any) -> Any:
    for node in graph.graph.nodes:
        if node.target is operator.truediv:
            node.target = fast_division
    graph.recompile()
    return graph.forward


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    step, inputs = knobs.step(), knobs.pick(5, 7)
    plain = Net(inputs, knobs.pick(12, 16))
    model = torch.compile(plain, backend="eager" if repaired else reciprocals)
    optimizer = kit.adam(plain, lr=0.02)
    batches = []
    for number, (x, _) in enumerate(kit.regression(60, 32, inputs)):
        x[:, :2] = 1 + torch.rand(32, 2)
        y = x[:, :1] / x[:, 1:2] - x[:, 2:3]
        if number == step:
            x[3, :2] *= knobs.pick(1e-39, 5e-40)
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("compiler",), ("forward",), (), step),
    )
