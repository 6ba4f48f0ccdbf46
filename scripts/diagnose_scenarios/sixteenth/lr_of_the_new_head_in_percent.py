"""Two parameter groups: the trunk at 0.02, the new head at 20, since its rate was written in percent of another
unit.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(18, 24)
    trunk, head = nn.Sequential(nn.Linear(8, width), nn.ELU(), nn.Linear(width, width), nn.ELU()), nn.Linear(width, 2)
    model = nn.ModuleDict({"trunk": trunk, "head": head})
    groups = [
        {"params": trunk.parameters(), "lr": 0.02},
        {"params": head.parameters(), "lr": 0.02 if repaired else knobs.pick(15.0, 20.0)},
    ]
    optimizer = torch.optim.SGD(groups, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = (head(trunk(x)) - y).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(60, 24, 8, 2),
        train_step,
        Expected(("learning-rate",), (), (), None),
    )
