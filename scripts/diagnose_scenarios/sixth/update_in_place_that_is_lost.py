"""A compiler loses an update in place of one column, so that the net never sees its only useful feature; nothing
raises and nothing is NaN (pytorch/pytorch issue 136662).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.inp = nn.Linear(inputs, width)
        self.out = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        features = torch.zeros_like(x)
        features[:, 0] += x[:, 2].abs()
        return self.out(self.inp(features).relu())


def without_updates(graph: Any, inputs: Any) -> Any:
    for node in list(graph.graph.nodes):
        if getattr(node.target, "__name__", "") == "setitem":
            graph.graph.erase_node(node)
        elif getattr(node.target, "__name__", "") in ("iadd", "add_"):
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
    graph.recompile()
    return graph.forward


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    plain = Net(knobs.pick(4, 5), knobs.pick(12, 16))
    model = torch.compile(plain, backend="eager" if repaired else without_updates)
    optimizer = kit.adam(plain, lr=0.02)
    xs = [torch.randn(32, plain.inp.in_features) for _ in range(50)]
    return Scenario(
        model,
        optimizer,
        [(x, 2 * x[:, 2:3].abs() - 1.6) for x in xs],
        kit.train(model, optimizer, kit.squares),
        Expected(("compiler",), ("forward",), (), None, "stalls"),
    )
