"""The compiled graph writes out logsumexp as the logarithm of a plain sum and overflows where eager mode does not (as
in pytorch/pytorch issue 114109, NaN with the compiled model alone).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def naive(x: Tensor, dim: int, keepdim: bool = False) -> Tensor:
    return x.exp().sum(dim, keepdim).log()


def fusing(graph: Any, inputs: Any) -> Any:
    for node in graph.graph.nodes:
        if node.target in ("logsumexp", torch.logsumexp):
            node.op, node.target = "call_function", naive
    graph.recompile()
    return graph.forward


class Soft(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inp = nn.Linear(6, width)
        self.out = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        energy = 25 * self.inp(x)
        return self.out(x) + 0.01 * torch.logsumexp(energy, -1).unsqueeze(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    step = knobs.step()
    plain = Soft(knobs.pick(12, 16))
    model = torch.compile(plain, backend="eager" if repaired else fusing)
    optimizer = kit.adam(plain, lr=0.03)
    batches = kit.regression(70, 32, 6, 3)
    for tensor in batches[step]:
        tensor[0] *= 25
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("compiler",), ("forward",), (), step),
    )
