"""A compiler computes x ** 3 as exp(3 log x), which is right for positive numbers only."""

from __future__ import annotations

import operator
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Cubic(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.inp = nn.Linear(inputs, width)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.inp(x)
        return self.head(h + 0.1 * h**3)


def by_logarithm(x: Tensor, exponent: float) -> Tensor:
    return (exponent * x.log()).exp()


def logarithms(graph: Any, inputs: Any) -> Any:
    for node in graph.graph.nodes:
        if node.target is operator.pow:
            node.target = by_logarithm
    graph.recompile()
    return graph.forward


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    plain = Cubic(knobs.pick(6, 8), knobs.pick(8, 12))
    model = torch.compile(plain, backend="eager" if repaired else logarithms)
    optimizer = kit.sgd(plain, lr=0.05)
    return Scenario(
        model,
        optimizer,
        kit.regression(50, 32, plain.inp.in_features),
        kit.train(model, optimizer, kit.squares),
        Expected(("compiler",), ("forward",)),
    )
