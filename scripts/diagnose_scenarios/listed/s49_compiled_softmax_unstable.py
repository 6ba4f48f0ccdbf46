"""A compiler pass replaces softmax by exp / sum(exp): right for small logits, NaN above 88."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def unstable(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    e = x.exp()
    return e / e.sum(-1, keepdim=True)


def rewriting_backend(graph: Any, inputs: Any) -> Any:
    for node in graph.graph.nodes:
        if node.target in ("softmax", torch.softmax, nn.functional.softmax):
            node.op, node.target = "call_function", unstable
    graph.recompile()
    return graph.forward


class Net(nn.Module):
    def __init__(self, inputs: int, experts: int) -> None:
        super().__init__()
        self.gate = nn.Linear(inputs, experts)
        self.experts = nn.Linear(inputs, experts)

    def forward(self, x: Tensor) -> Tensor:
        return (torch.softmax(self.gate(x), -1) * self.experts(x)).sum(-1, keepdim=True)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    step, inputs = knobs.step(), knobs.pick(6, 8)
    plain = Net(inputs, knobs.pick(3, 4))
    model = torch.compile(plain, backend="eager" if repaired else rewriting_backend)
    optimizer = kit.adam(plain, lr=0.02)
    batches = kit.regression(60, 16, inputs)
    x, y = (part.clone() for part in batches[step])
    with torch.no_grad():
        gate = plain.gate.weight[0]
        x[2] = gate / gate.norm() ** 2 * knobs.pick(150, 200)
    y[2] = 0
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x, y)),
        kit.train(model, optimizer, lambda p, t: nn.functional.smooth_l1_loss(p, t)),
        Expected(("compiler",), ("forward",), (), step),
    )
