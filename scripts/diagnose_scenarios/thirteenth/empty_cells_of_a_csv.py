"""From one file on, a column is empty and was read as NaN; the features travel beside category numbers."""

from __future__ import annotations

import math
from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.table, self.mix, self.head = nn.Embedding(5, 4), nn.Linear(10, width), nn.Linear(width, 2)

    def forward(self, numbers: Tensor, kinds: Tensor) -> Tensor:
        return self.head(self.mix(torch.cat([numbers, self.table(kinds)], 1)).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, model = knobs.randint(2, 12), Net(knobs.pick(12, 20))
    optimizer = kit.sgd(model, lr=0.1)

    def train_step(batch: Any) -> Tensor:
        numbers, kinds, label = batch
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(numbers, kinds), label)
        loss.backward()
        optimizer.step()
        return loss

    column, batches = knobs.randint(0, 5), []
    for number, (x, y) in enumerate(kit.classes(50, 16, 6, 2)):
        if number >= step and not repaired:
            x[:, column] = math.nan
        batches.append([x, torch.randint(5, (16,)), y])
    return Scenario(model, optimizer, batches, train_step, Expected(("bad-data",), ("data",), (), step))
