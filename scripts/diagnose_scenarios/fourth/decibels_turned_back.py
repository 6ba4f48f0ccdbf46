"""Levels in decibels are turned back into amplitudes inside the net, in float16: above 96 decibels there is no such
number.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Amplitude(nn.Module):
    def __init__(self, single: bool) -> None:
        super().__init__()
        self.single = single

    def forward(self, level: Tensor) -> Tensor:
        amplitude = torch.pow(10.0, (level.float() if self.single else level) / 20)
        return amplitude / amplitude.sum(-1, keepdim=True)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    bands, step = knobs.pick(8, 10), knobs.step()
    levels = nn.Linear(bands, bands)
    with torch.no_grad():
        levels.weight.copy_(torch.eye(bands) + 0.001 * torch.randn(bands, bands))
    levels.requires_grad_(False)
    model = kit.named(levels=levels, amplitude=Amplitude(repaired), norm=nn.LayerNorm(bands), head=nn.Linear(bands, 3))
    optimizer = kit.adam(model, lr=0.03)
    batches = []
    for number in range(60):
        y = torch.randint(3, (16,))
        x = 60 + 2 * torch.randn(16, bands) + 8 * torch.eye(bands)[y]
        if number == step:
            x[5, 3] = knobs.randint(103, 112)
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("amplitude",), step),
    )
