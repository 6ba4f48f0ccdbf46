"""A net for faces is cast to half as a whole and trained by Adam as it comes; with an eps of 1e-4 it trains
(pytorch/pytorch issue 8860).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    model = kit.named(
        conv=nn.Conv2d(1, width, 3, stride=2),
        act=nn.ReLU(),
        flat=nn.Flatten(),
        fc=nn.Linear(width * 16, 24),
        act2=nn.ReLU(),
        head=nn.Linear(24, 4),
    ).half()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002, eps=1e-4 if repaired else 1e-8)
    return Scenario(
        model,
        optimizer,
        [(x.half(), y) for x, y in kit.images(50, 16, 1, 10, 4)],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("optimizer-eps",), ("optimizer",), ("conv", "fc", "head")),
    )
