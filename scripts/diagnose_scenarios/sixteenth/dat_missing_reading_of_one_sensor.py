"""Batches are dicts of three sensors; one reading of one of them is missing and was stored as NaN."""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Fuse(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.wind = nn.Linear(2, width)
        self.heat = nn.Linear(3, width)
        self.rain = nn.Linear(1, width)
        self.head = nn.Linear(width, 1)

    def forward(self, sensors: dict[str, Tensor]) -> Tensor:
        return self.head(torch.tanh(sum(getattr(self, name)(value) for name, value in sensors.items())))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, hurt = knobs.step(), knobs.pick("wind", "heat", "rain")
    model = Fuse(knobs.pick(10, 14))
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for i in range(50):
        sensors = {"wind": torch.randn(12, 2), "heat": torch.randn(12, 3), "rain": torch.rand(12, 1)}
        y = sensors["heat"].mean(1, keepdim=True) + sensors["rain"]
        if i == step and not repaired:
            sensors[hurt][knobs.randint(0, 11), 0] = math.nan
        batches.append((sensors, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("bad-data",), ("data",), (), step),
    )
