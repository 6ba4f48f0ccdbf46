"""A norm over the places of each map is used where there is but one place; all that comes out of it is zero, without
any error (pytorch/pytorch issue 19250).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Summary(nn.Module):
    def __init__(self, channels: int, grouped: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, channels, 4)
        self.norm = nn.GroupNorm(2 if grouped else channels, channels)
        self.head = nn.Linear(channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.conv(x)).relu().flatten(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Summary(knobs.pick(12, 16), repaired)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    return Scenario(
        model,
        optimizer,
        kit.images(50, 32, 2, 4, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("norm",), 0, "stalls"),
    )
