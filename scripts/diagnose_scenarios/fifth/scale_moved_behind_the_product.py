"""A compiler multiplies attention scores by their scale after the product instead of the queries before it; in float16
the product is infinite, uncompiled code under the same autocast is not (pytorch/pytorch issue 95644).
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class CrossAttention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(width, width, bias=False)
        self.to_v = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, 1)
        self.scale = 1 / 2048

    def forward(self, x: Tensor) -> Tensor:
        q = self.to_q(x) * self.scale
        scores = torch.bmm(q, self.to_k(x).transpose(1, 2))
        return self.out(torch.bmm(scores.softmax(-1), self.to_v(x))).mean(1)


def scale_last(q: Tensor, k: Tensor, scale: float) -> Tensor:
    return torch.bmm(q, k) * scale


def move_scales(graph: Any, inputs: Any) -> Any:
    for node in list(graph.graph.nodes):
        if node.target is torch.bmm and getattr(node.args[0], "target", None) is operator.mul:
            scaled = node.args[0]
            q, scale = scaled.args
            node.target, node.args = scale_last, (q, node.args[1], scale)
    graph.recompile()
    return graph.forward


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    width = knobs.pick(8, 12)
    plain = CrossAttention(width)
    with torch.no_grad():
        plain.to_q.weight.mul_(knobs.pick(700.0, 800.0))
        plain.to_k.weight.mul_(knobs.pick(700.0, 800.0))
    plain.to_q.requires_grad_(False)
    plain.to_k.requires_grad_(False)
    model = torch.compile(plain, backend="eager" if repaired else move_scales)
    optimizer = torch.optim.AdamW([*plain.to_v.parameters(), *plain.out.parameters()], lr=0.02)
    batches = [(x, 2 + x[:, :, :1].mean(1)) for x, _ in kit.sequences(60, 16, 6, width)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("compiler",), ("forward",)),
    )
