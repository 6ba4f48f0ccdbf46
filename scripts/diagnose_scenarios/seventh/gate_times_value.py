"""A gated feed-forward block multiplies two large activations in float16 (as in huggingface/transformers issue
14189).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class GatedGelu(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.wi_0 = nn.Linear(width, hidden)
        self.wi_1 = nn.Linear(width, hidden)
        self.wo = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.wo(nn.functional.gelu(self.wi_0(x)) * self.wi_1(x))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(inp=nn.Linear(6, width), ff=GatedGelu(width, 32), norm=nn.LayerNorm(width))
    model.add_module("out", nn.Linear(width, 1))
    size = knobs.pick(1200.0, 1500.0)
    with torch.no_grad():
        model.ff.wi_0.weight.mul_(size)
        model.ff.wi_1.weight.mul_(size)
    optimizer = kit.adam(model, lr=0.01)
    return Scenario(
        model,
        optimizer,
        kit.regression(100, 32, 6),
        kit.train(model, optimizer, kit.squares, amp=torch.bfloat16 if repaired else torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("ff",), 0),
    )
