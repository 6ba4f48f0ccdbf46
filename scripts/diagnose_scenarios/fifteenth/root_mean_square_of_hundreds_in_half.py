"""A norm squares its input in half; with inputs of some hundreds the sum of squares is infinite, and what is divided
by infinity is nought (xlite-dev/LeetCUDA pull request 335).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class RmsNorm(nn.Module):
    def __init__(self, width: int, narrow: bool) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))
        self.narrow = narrow

    def forward(self, x: Tensor) -> Tensor:
        x = x.half() if self.narrow else x
        variance = (x * x).mean(-1, keepdim=True)
        return (x * torch.rsqrt(variance + 1e-5)).float() * self.gain


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs = knobs.pick(10, 12)
    size = knobs.pick(600.0, 1500.0)
    norm = RmsNorm(inputs, not repaired)
    model = kit.named(norm=norm, inp=nn.Linear(inputs, 24), act=nn.SiLU(), out=nn.Linear(24, 4))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    batches = [(size * x, y) for x, y in kit.classes(60, 32, inputs, 4)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("fp16-overflow",), ("forward",), ("norm",), 0, "stalls"),
    )
