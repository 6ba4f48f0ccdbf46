"""Every so often comes a batch of outliers with a loss thirty times as high and a gradient to match; a limit on the
norm takes the force out of it, and the training goes on.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    every, factor = knobs.randint(9, 12), knobs.pick(5.0, 6.0)
    model = kit.named(inp=nn.Linear(7, 24), act=nn.SiLU(), out=nn.Linear(24, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.8)
    batches = []
    for number, (x, y) in enumerate(kit.regression(80, 32, 7, 2)):
        hard = number % every == every - 1 and number < 60
        batches.append((x, y + factor * torch.randn_like(y) if hard else y))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares, clip=1.0))
