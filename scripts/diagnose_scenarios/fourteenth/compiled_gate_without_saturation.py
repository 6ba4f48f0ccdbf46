"""A compiler pass writes a sigmoid as exp(x) / (1 + exp(x)): NaN above 88, where the uncompiled layer gives 1."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn
from torch.nn import functional


def by_exponentials(x: Tensor) -> Tensor:
    e = x.exp()
    return e / (1 + e)


def rewriting_backend(graph: Any, inputs: Any) -> Any:
    for node in graph.graph.nodes:
        if node.target in ("sigmoid", torch.sigmoid):
            node.op, node.target = "call_function", by_exponentials
    graph.recompile()
    return graph.forward


class Gated(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.gate, self.value = nn.Linear(inputs, width), nn.Linear(inputs, width)
        self.out = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.sigmoid(self.gate(x)) * torch.tanh(self.value(x)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    step = knobs.step()
    plain = Gated(7, knobs.pick(10, 14))
    model = torch.compile(plain, backend="eager" if repaired else rewriting_backend)
    optimizer = kit.adam(plain, lr=0.02)
    batches = kit.regression(60, 16, 7)
    x, y = (part.clone() for part in batches[step])
    with torch.no_grad():
        unit = plain.gate.weight[3]
        x[5], y[5] = unit / unit.square().sum() * knobs.pick(120, 170), 0
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x, y)),
        kit.train(model, optimizer, lambda p, t: functional.huber_loss(p, t)),
        Expected(("compiler",), ("forward",), (), step),
    )
