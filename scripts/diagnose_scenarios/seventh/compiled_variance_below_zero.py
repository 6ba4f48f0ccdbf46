"""The compiled graph computes a variance as mean of squares less square of the mean, which rounds below zero far from
the origin (as in huggingface/pytorch-image-models issue 2616, NaN with the compiled model).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def two_means(x: Tensor, dim: int, keepdim: bool = False) -> Tensor:
    return (x * x).mean(dim, keepdim) - x.mean(dim, keepdim).square()


def rewriting(graph: Any, inputs: Any) -> Any:
    for node in graph.graph.nodes:
        if node.target in ("var", torch.var):
            node.op, node.target = "call_function", two_means
            node.kwargs = {key: value for key, value in node.kwargs.items() if key != "unbiased"}
    graph.recompile()
    return graph.forward


class Norm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inp = nn.Linear(6, width)
        self.out = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.inp(x) + 2000
        spread = torch.var(h, -1, keepdim=True, unbiased=False)
        return self.out((h - h.mean(-1, keepdim=True)) / (spread + 1e-5).sqrt())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    plain = Norm(knobs.pick(12, 16))
    model = torch.compile(plain, backend="eager" if repaired else rewriting)
    optimizer = kit.adam(plain, lr=0.02)
    return Scenario(
        model,
        optimizer,
        kit.regression(70, 32, 6),
        kit.train(model, optimizer, kit.squares),
        Expected(("compiler",), ("forward",), (), 0),
    )
