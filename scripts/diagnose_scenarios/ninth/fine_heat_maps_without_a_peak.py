"""A centre detector's focal loss divides by the number of peaks; pictures without any are told apart and take the sum
over background alone. Probabilities are held between 1e-4 and 1 - 1e-4.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def focal(p: Tensor, heat: Tensor) -> Tensor:
    peak = heat.eq(1)
    found = (torch.log(p) * (1 - p) ** 2)[peak].sum()
    quiet = (torch.log(1 - p) * p**2 * (1 - heat) ** 4)[~peak].sum()
    count = int(peak.sum())
    return -(found + quiet) / count if count else -quiet


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 10)
    model = kit.named(conv=nn.Conv2d(1, width, 3, padding=1), act=nn.ReLU(), heat=nn.Conv2d(width, 1, 1))
    nn.init.constant_(model.heat.bias, -2.19)
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        image, heat = batch
        optimizer.zero_grad()
        loss = focal(model(image).sigmoid().clamp(1e-4, 1 - 1e-4), heat)
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(70):
        heat = torch.zeros(6, 1, 8, 8)
        if number % 5 != 4:
            for each in heat:
                y, x = knobs.randint(1, 6), knobs.randint(1, 6)
                each[0, y - 1 : y + 2, x - 1 : x + 2] = 0.5
                each[0, y, x] = 1
        batches.append((2 * heat + 0.1 * torch.randn(6, 1, 8, 8), heat))
    return Scenario(model, optimizer, batches, train_step)
