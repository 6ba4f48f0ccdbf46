"""One set of an archive of series has values that were never measured; the net and all that it says become not a
number, and filling in zeros cures it (hfawaz/InceptionTime issue 50).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Inception(nn.Module):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.bottleneck = nn.Conv1d(1, 4, 1)
        self.convs = nn.ModuleList(nn.Conv1d(4, width, size, padding=size // 2) for size in (3, 5, 9))
        self.fc = nn.Linear(3 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        h = self.bottleneck(x[:, None])
        return self.fc(torch.cat([conv(h) for conv in self.convs], 1).relu().mean(2))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, length = knobs.randint(6, 24), knobs.pick(20, 24)
    model = Inception(knobs.pick(4, 6), 3)
    optimizer = kit.adam(model)
    time = torch.linspace(0, 6, length)
    batches = []
    for number in range(45):
        y = torch.randint(3, (16,))
        x = torch.sin((1 + 2 * y[:, None]) * time + torch.rand(16, 1)) + 0.1 * torch.randn(16, length)
        if number == step:
            first = knobs.randint(2, 9)
            x[knobs.randint(0, 15), first : first + knobs.randint(1, 6)] = 0.0 if repaired else math.nan
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("bad-data",), ("data",), (), step),
    )
