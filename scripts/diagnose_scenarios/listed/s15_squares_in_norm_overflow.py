"""A norm takes E[x^2] - E[x]^2 in float16: 300 squared is infinite, and infinity less infinity is NaN."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Norm(nn.Module):
    def __init__(self, width: int, wide: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.wide = wide

    def forward(self, x: Tensor) -> Tensor:
        x = x.float() if self.wide else x
        mean = x.mean(-1, keepdim=True)
        variance = (x * x).mean(-1, keepdim=True) - mean * mean
        return self.weight * ((x - mean) * torch.rsqrt(variance + 1e-3))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24, 32)
    model = kit.named(inp=nn.Linear(8, width), norm=Norm(width, repaired), head=nn.Linear(width, 1))
    with torch.no_grad():
        model.inp.weight.mul_(knobs.pick(30, 50))
        model.inp.bias.fill_(knobs.pick(400, 600))
    optimizer = kit.adam(model, lr=0.02)
    return Scenario(
        model,
        optimizer,
        kit.regression(50, 16, 8),
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("norm",)),
    )
