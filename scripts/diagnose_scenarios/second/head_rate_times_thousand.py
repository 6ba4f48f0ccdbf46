"""A new head gets a thousand times the learning rate of the backbone."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(backbone=nn.Sequential(nn.Linear(8, width), nn.ReLU()), head=nn.Linear(width, 2))
    rate = 0.02
    groups = [
        {"params": model.backbone.parameters(), "lr": rate},
        {"params": model.head.parameters(), "lr": rate if repaired else 1000 * rate},
    ]
    optimizer = torch.optim.SGD(groups, momentum=knobs.pick(0.0, 0.5))
    return Scenario(
        model,
        optimizer,
        kit.regression(70, 16, 8, 2),
        kit.train(model, optimizer, kit.squares),
        Expected(("learning-rate",), (), (), None),
    )
