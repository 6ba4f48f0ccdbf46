"""A compiled graph keeps an intermediate in float16 although nobody asked: squares of a few hundred become infinite."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def narrow_square(x: Tensor) -> Tensor:
    return (x.half() * x.half()).float()


def narrowing_backend(graph: Any, inputs: Any) -> Any:
    for node in graph.graph.nodes:
        if node.target in ("square", torch.square):
            node.op, node.target = "call_function", narrow_square
    graph.recompile()
    return graph.forward


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inp = nn.Linear(6, width)
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.norm(torch.square(self.inp(x))))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    plain = Net(knobs.pick(16, 24))
    with torch.no_grad():
        plain.inp.weight.mul_(knobs.pick(800, 1200))
    model = torch.compile(plain, backend="eager" if repaired else narrowing_backend)
    optimizer = kit.adam(plain, lr=0.02)
    batches = [(x, x[:, :1].abs()) for x, _ in kit.regression(100, 32, 6)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("compiler",), ("forward",)),
    )
