"""A compiler pass writes softplus as log(1 + exp(x)), which is infinite above 88; uncompiled it is x."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def naive(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return (1 + x.exp()).log()


def backend(graph: Any, inputs: Any) -> Any:
    for node in graph.graph.nodes:
        if node.op == "call_function" and node.target is nn.functional.softplus:
            node.target, node.kwargs = naive, {}
    graph.recompile()
    return graph.forward


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inp, self.head = nn.Linear(width, width), nn.Linear(width, 1)
        with torch.no_grad():
            self.inp.weight.copy_(torch.eye(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(nn.functional.softplus(self.inp(x)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    width, step = knobs.pick(6, 8), knobs.randint(2, 12)
    plain = Net(width)
    model = torch.compile(plain, backend="eager" if repaired else backend)
    optimizer = kit.adam(plain, lr=0.02)
    batches = kit.regression(50, 16, width)
    x, y = (part.clone() for part in batches[step])
    x[knobs.randint(0, 15), knobs.randint(0, width - 1)] = knobs.pick(120.0, 140.0)
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x, y)),
        kit.train(model, optimizer, lambda p, t: nn.functional.smooth_l1_loss(p, t)),
        Expected(("compiler",), ("forward",), (), step),
    )
