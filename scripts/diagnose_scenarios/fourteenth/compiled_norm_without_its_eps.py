"""A compiler pass drops the small number that keeps a norm's root away from 0: a row of padding becomes 0 / 0."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.inp, self.head = nn.Linear(inputs, width, bias=False), nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.inp(x)
        return self.head(h / torch.sqrt(torch.add(h.square().mean(-1, keepdim=True), 1e-6)))


def forgetful_backend(graph: Any, inputs: Any) -> Any:
    for node in graph.graph.nodes:
        if node.target is torch.add and node.args[1] == 1e-6:
            node.args = (node.args[0], 0.0)
    graph.recompile()
    return graph.forward


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    step, width = knobs.step(), knobs.pick(12, 18)
    plain = Net(6, width)
    model = torch.compile(plain, backend="eager" if repaired else forgetful_backend)
    optimizer = kit.sgd(plain, lr=0.1)
    batches = kit.classes(50, 16, 6, 3)
    x, y = (part.clone() for part in batches[step])
    x[knobs.randint(0, 15)] = 0
    return Scenario(
        model,
        optimizer,
        kit.at(batches, step, (x, y)),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("compiler",), ("forward",), (), step),
    )
