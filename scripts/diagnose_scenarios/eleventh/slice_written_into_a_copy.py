"""Part of a state is written over with new columns and the columns are summed; compiled, the gradient of what was kept
is all zero while the forward is right, and in eager mode both are (pytorch/pytorch issue 180164).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class ZeroedScatter(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, src: Tensor, end: int) -> Tensor:
        ctx.end = end
        return torch.slice_scatter(x, src, dim=1, start=0, end=end)

    @staticmethod
    def backward(ctx: Any, incoming: Tensor) -> Any:
        return torch.zeros_like(incoming), incoming[:, : ctx.end], None


def zeroed(x: Tensor, src: Tensor, dim: int = 1, start: int = 0, end: int = 0) -> Tensor:
    return ZeroedScatter.apply(x, src, end)


class Memory(nn.Module):
    def __init__(self, inputs: int, width: int, written: int) -> None:
        super().__init__()
        self.keep = nn.Linear(inputs, width)
        self.write = nn.Linear(inputs, written)
        self.written = written
        self.write.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        state = torch.slice_scatter(self.keep(x), 0.1 * self.write(x), dim=1, start=0, end=self.written)
        return state.sum(1, keepdim=True)


def backend(graph: Any, inputs: Any) -> Any:
    for node in graph.graph.nodes:
        if node.target in (torch.slice_scatter, "slice_scatter"):
            node.target = zeroed
    graph.recompile()
    return graph.forward


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    width = knobs.pick(9, 11)
    plain = Memory(6, width, knobs.pick(3, 4))
    model = torch.compile(plain, backend="eager" if repaired else backend)
    optimizer = kit.sgd(plain, lr=0.02)
    return Scenario(
        model,
        optimizer,
        kit.regression(50, 32, 6),
        kit.train(model, optimizer, kit.squares),
        Expected(("compiler",), ("backward",), ("keep",), 0, "stalls"),
    )
