"""A compiled state space layer takes the decay of its state with the wrong sign; over the length of a sequence the
state grows past float32, in eager mode it fades (pytorch/pytorch issue 146129).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Scan(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.inp, self.head = nn.Linear(inputs, width), nn.Linear(width, 1)
        self.rate = nn.Parameter(torch.linspace(2.0, 12.0, width))

    def forward(self, x: Tensor) -> Tensor:
        u = self.inp(x)
        decay = torch.exp(torch.neg(self.rate.abs()))
        h = torch.zeros_like(u[:, 0])
        for t in range(u.shape[1]):
            h = decay * h + u[:, t]
        return self.head(h)


def sign_dropped(graph: Any, inputs: Any) -> Any:
    for node in list(graph.graph.nodes):
        if node.target is torch.neg:
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
    graph.recompile()
    return graph.forward


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    plain = Scan(4, knobs.pick(8, 12))
    model = torch.compile(plain, backend="eager" if repaired else sign_dropped)
    optimizer = kit.adam(plain, lr=0.02)
    rows = [torch.randn(32, 10, 4) for _ in range(50)]
    return Scenario(
        model,
        optimizer,
        [(row, row[:, -1].mean(1, keepdim=True)) for row in rows],
        kit.train(model, optimizer, kit.squares),
        Expected(("compiler",), ("forward",)),
    )
