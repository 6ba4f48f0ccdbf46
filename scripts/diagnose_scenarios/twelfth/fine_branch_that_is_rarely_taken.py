"""One of two branches is taken in every tenth batch only; its weights have no gradient at all in between."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Branches(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.common = nn.Linear(inputs, width)
        self.usual = nn.Linear(width, 1)
        self.rare = nn.Linear(width, 1)

    def forward(self, x: Tensor, rare: bool) -> Tensor:
        h = self.common(x).relu()
        return self.rare(h) if rare else self.usual(h)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Branches(6, 20)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    every = knobs.pick(9, 10)

    def train_step(batch: Any) -> Tensor:
        x, y, rare = batch
        optimizer.zero_grad(set_to_none=True)
        loss = (model(x, rare) - y).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    batches = [(x, y + 1.5, number % every == every - 1) for number, (x, y) in enumerate(kit.regression(75, 32, 6))]
    return Scenario(model, optimizer, batches, train_step)
