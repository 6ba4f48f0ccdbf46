"""The variance of activations near 1e-5 is 0 in float16, and a norm without eps divides by it."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Norm(nn.Module):
    def __init__(self, wide: bool) -> None:
        super().__init__()
        self.wide = wide

    def forward(self, x: Tensor) -> Tensor:
        x = x.float() if self.wide else x
        centred = x - x.mean(-1, keepdim=True)
        return centred * torch.rsqrt((centred * centred).mean(-1, keepdim=True))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(inp=nn.Linear(8, width, bias=False), norm=Norm(repaired), head=nn.Linear(width, 1))
    with torch.no_grad():
        model.inp.weight.mul_(knobs.pick(2e-5, 4e-5))
    model.inp.requires_grad_(False)
    optimizer = torch.optim.Adam(model.head.parameters(), lr=0.03)
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 16, 8),
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("underflow",), ("forward",), ("norm",)),
    )
