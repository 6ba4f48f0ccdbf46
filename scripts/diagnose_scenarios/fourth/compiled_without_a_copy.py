"""A compiler takes a copy for needless and lets two values share their memory, of which one is changed in place."""

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
        self.head = nn.Linear(2 * width, 1)

    def forward(self, x: Tensor) -> Tensor:
        amount = self.inp(x).abs() + 1
        centred = amount.clone()
        centred.sub_(amount.detach().mean(-1, keepdim=True))
        return self.head(torch.cat([amount.log(), centred], -1))


def copies_dropped(graph: Any, inputs: Any) -> Any:
    for node in list(graph.graph.nodes):
        if node.target in ("clone", torch.clone):
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
    graph.recompile()
    return graph.forward


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    plain = Net(knobs.pick(6, 8), knobs.pick(12, 16))
    model = torch.compile(plain, backend="eager" if repaired else copies_dropped)
    optimizer = kit.adam(plain, lr=0.02)
    batches = [(x, x.abs().mean(-1, keepdim=True)) for x, _ in kit.regression(60, 32, plain.inp.in_features)]
    return Scenario(
        model, optimizer, batches, kit.train(model, optimizer, kit.squares), Expected(("compiler",), ("forward",))
    )
