"""One head speaks in tens of thousands and another in ten-thousandths; each loss is divided by its unit, and
gradients of the weights differ by many orders.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    units = torch.tensor([knobs.pick(1e4, 3e4), 1.0, knobs.pick(1e-4, 3e-4)])
    model = nn.ModuleDict({"body": nn.Linear(8, 24), "heads": nn.Linear(24, 3)})
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        said = model["heads"](model["body"](x).relu()) * units
        loss = ((said - y) / units).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    batches = [(x, y * units) for x, y in kit.regression(70, 32, 8, 3)]
    return Scenario(model, optimizer, batches, train_step)
