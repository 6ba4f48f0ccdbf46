"""A compiler moves a mask behind an exponential: what was e to minus infinity becomes e to a large number times 0
(pytorch/pytorch issue 146129).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class StateSpace(nn.Module):
    """Output words are decayed sums of the input words before them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.step = nn.Linear(width, 1)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, 1)

    def forward(self, x: Tensor, later: Tensor) -> Tensor:
        total = -(nn.functional.softplus(self.step(x)) + 0.5).cumsum(1)
        between = total - total.transpose(1, 2)
        decay = between.masked_fill(later, float("-inf")).exp()
        return self.out(decay @ self.value(x))


def mask_behind(graph: Any, inputs: Any) -> Any:
    for node in list(graph.graph.nodes):
        if node.target in ("exp", torch.exp) and node.args[0].target == "masked_fill":
            masked = node.args[0]
            scores, hidden = masked.args[0], masked.args[1]
            with graph.graph.inserting_before(node):
                power = graph.graph.call_function(torch.exp, (scores,))
                shown = graph.graph.call_function(torch.logical_not, (hidden,))
                product = graph.graph.call_function(torch.mul, (power, shown))
            node.replace_all_uses_with(product)
            graph.graph.erase_node(node)
    graph.recompile()
    return graph.forward


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    torch._dynamo.reset()
    width, length = knobs.pick(6, 8), knobs.pick(110, 120)
    plain = StateSpace(width)
    model = torch.compile(plain, backend="eager" if repaired else mask_behind)
    optimizer = kit.adam(plain, lr=0.02)
    later = torch.ones(length, length, dtype=torch.bool).triu(1)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = kit.squares(model(x, later), y)
        loss.backward()
        optimizer.step()
        return loss

    texts = [torch.randn(4, length, width) for _ in range(30)]
    return Scenario(
        model,
        optimizer,
        [(x, x[..., :1] - x[..., 1:2]) for x in texts],
        train_step,
        Expected(("compiler",), ("forward",)),
    )
