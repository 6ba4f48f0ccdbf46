"""Pooled features are added to the ones they come from; compiled, the gradient of the maximum goes to the wrong entries
and no error is raised, while the eager net learns (pytorch/pytorch issue 186799).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class WrongMaximum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.amax(1)

    @staticmethod
    def backward(ctx: Any, incoming: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        top = x.amin(1, keepdim=True) == x
        return -4 * incoming[:, None] * top


def wrong_maximum(x: Tensor) -> Tensor:
    return WrongMaximum.apply(x)


class Pooled(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.lin = nn.Linear(inputs, width)
        self.mix = nn.Linear(width, width)
        self.head = nn.Linear(width, 1)

    def forward(self, points: Tensor) -> Tensor:
        h = self.lin(points)
        pooled = torch.amax(h, 1)
        return self.head(torch.tanh(self.mix(pooled)) + 0.1 * h.mean(1))


def backend(graph: Any, inputs: Any) -> Any:
    for node in graph.graph.nodes:
        if node.target in (torch.amax, "amax"):
            with graph.graph.inserting_after(node):
                other = graph.graph.call_function(wrong_maximum, (node.args[0],))
            node.replace_all_uses_with(other)
            graph.graph.erase_node(node)
    graph.recompile()
    return graph.forward


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    plain = Pooled(3, knobs.pick(12, 16))
    plain.mix.requires_grad_(False)
    plain.head.requires_grad_(False)
    with torch.no_grad():
        plain.head.weight.mul_(4)
    model = torch.compile(plain, backend="eager" if repaired else backend)
    optimizer = kit.sgd(plain, lr=0.1)
    batches = []
    for _ in range(60):
        points = torch.randn(32, 6, 3)
        batches.append((points, points[..., 0].amax(1, keepdim=True) - 1.2))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("compiler",), ("backward",), (), 0, "diverges"),
    )
