"""A compiler pass drops a clamp that guards a division."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def dropping_backend(graph: Any, inputs: Any) -> Any:
    for node in list(graph.graph.nodes):
        if node.target in ("clamp", "clamp_min", torch.clamp):
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
    graph.recompile()
    return graph.forward


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inp = nn.Linear(6, width)
        self.out = nn.Linear(width + 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        size = x.abs().sum(-1, keepdim=True)
        share = x[:, :1] / size.clamp(min=1e-6)
        return self.out(torch.cat([self.inp(x).relu(), share], -1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    step = knobs.step()
    plain = Net(knobs.pick(12, 16))
    model = torch.compile(plain, backend="eager" if repaired else dropping_backend)
    optimizer = kit.adam(plain)
    batches = kit.regression(60, 16, 6)
    batches[step][0][4] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("compiler",), ("forward",), (), step),
    )
