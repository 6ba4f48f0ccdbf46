"""All weights start at the same constant, so all hidden units stay copies of one, and that one is not enough."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, value = knobs.pick(16, 24), knobs.pick(0.3, 0.5)
    fc1, fc2, head = nn.Linear(8, width), nn.Linear(width, width), nn.Linear(width, 6)
    model = kit.named(fc1=fc1, act=nn.Tanh(), fc2=fc2, act2=nn.Tanh(), head=head)
    if not repaired:
        for parameter in model.parameters():
            nn.init.constant_(parameter, value)
    optimizer = kit.sgd(model, lr=0.1)
    batches = []
    corners = torch.tensor([[(k >> j & 1) * 2.0 - 1 for j in range(8)] for k in (15, 51, 85, 102, 60, 90)])
    for _ in range(80):
        y = torch.randint(6, (32,))
        batches.append((corners[y] + 0.1 * torch.randn(32, 8), y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("initialisation",), (), (), None, "stalls"),
    )
