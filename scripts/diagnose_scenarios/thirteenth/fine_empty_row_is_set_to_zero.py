"""A text of padding alone makes a row of NaN in the softmax, which the module replaces by zeros at once."""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.key, self.value = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        key = self.key(x)
        scores = (key @ key.mT / key.shape[-1] ** 0.5).masked_fill(hidden[:, None], -math.inf)
        weights = scores.softmax(-1).masked_fill(hidden.all(1)[:, None, None], 0.0)
        return weights @ self.value(x)


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention, self.head = Attention(width), nn.Linear(width, 1)

    def forward(self, batch: Any) -> Tensor:
        return self.head(self.attention(*batch).mean(1))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 10)
    model = Net(width)
    optimizer = kit.adam(model, lr=0.02)
    batches = []
    for number, (x, y) in enumerate(kit.sequences(70, 8, 5, width)):
        hidden = torch.zeros(8, 5, dtype=torch.bool)
        hidden[0] = number % 4 == 3
        y[hidden.all(1)] = 0
        batches.append(((x, hidden), y))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares))
