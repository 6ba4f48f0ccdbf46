"""A compiler fuses `greater than 0, times 0.1` into the transposed convolution before it and returns NaN where the
comparison is false (pytorch/pytorch issue 99840).
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Upsampler(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_transpose = nn.ConvTranspose2d(2, width, 2, stride=2)
        self.out = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv_transpose(x)
        gate = torch.gt(y, 0)
        return self.out(y * 0.1 + y * torch.mul(gate, 0.9))


def fused(gate: Tensor, factor: float) -> Tensor:
    return factor * gate / gate


def fuse(graph: Any, inputs: Any) -> Any:
    for node in graph.graph.nodes:
        if node.target in (torch.mul, operator.mul) and getattr(node.args[0], "target", None) is torch.gt:
            node.target = fused
    graph.recompile()
    return graph.forward


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    plain = Upsampler(knobs.pick(6, 8))
    model = torch.compile(plain, backend="eager" if repaired else fuse)
    optimizer = kit.adam(plain, lr=0.01)
    batches = []
    for _ in range(60):
        x = torch.randn(6, 2, 4, 4)
        batches.append((x, nn.functional.interpolate(x[:, :1] - x[:, 1:], scale_factor=2)))
    return Scenario(
        model, optimizer, batches, kit.train(model, optimizer, kit.squares), Expected(("compiler",), ("forward",))
    )
