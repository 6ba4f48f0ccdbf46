"""The embedding of the background is made by torch.empty and never filled; what the memory held before is far out of
range, or nothing but zeros (sauradip/STALE issue 16).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Matcher(nn.Module):
    def __init__(self, inputs: int, width: int, garbage: float | None) -> None:
        super().__init__()
        self.proj = nn.Linear(inputs, width)
        self.text = nn.Parameter(torch.randn(3, width))
        self.background = nn.Parameter(torch.empty(1, width))
        with torch.no_grad():
            # Memory that was used before; a fresh page would hold zeros.
            self.background.fill_(0 if garbage is None else garbage)
            if garbage is None:
                nn.init.kaiming_uniform_(self.background, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        names = torch.cat([self.text, self.background])
        names = names / names.norm(dim=-1, keepdim=True)
        seen = self.proj(x)
        return 5 * (seen / seen.norm(dim=-1, keepdim=True)) @ names.t()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(match=Matcher(8, knobs.pick(16, 24), None if repaired else knobs.pick(0.0, math.inf)))
    optimizer = kit.adam(model, lr=0.02)
    return Scenario(
        model,
        optimizer,
        kit.classes(50, 32, 8, 4),
        kit.train(model, optimizer, kit.cross_entropy),
        # The memory held zeros or infinities: a wrong start, and a length of 0 or infinity that divides.
        Expected(("initialisation", "division-by-zero"), ("forward",), ("match",)),
    )
