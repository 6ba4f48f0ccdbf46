"""A compiler pass takes a clamp for a no-op and drops it: the first batch with a zero under the logarithm is not
finite.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def dropping_backend(graph: Any, inputs: Any) -> Any:
    for node in graph.graph.nodes:
        if node.target in ("clamp_min", "clamp", torch.clamp):
            node.replace_all_uses_with(node.args[0])
    graph.recompile()
    return graph.forward


class Decibels(nn.Module):
    def __init__(self, bands: int, width: int) -> None:
        super().__init__()
        self.inp = nn.Linear(bands, width)
        self.head = nn.Linear(width, 1)

    def forward(self, power: Tensor) -> Tensor:
        return self.head(torch.tanh(self.inp(power.clamp_min(1e-6).log())))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    bands, step = knobs.pick(6, 9), knobs.step()
    plain = Decibels(bands, knobs.pick(12, 16))
    model = torch.compile(plain, backend="eager" if repaired else dropping_backend)
    optimizer = kit.adam(plain, lr=0.01)
    batches = [(x.exp(), y) for x, y in kit.regression(60, 16, bands)]
    batches[step][0][4, 2] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda p, t: nn.functional.smooth_l1_loss(p, t)),
        Expected(("compiler",), ("forward",), (), step),
    )
