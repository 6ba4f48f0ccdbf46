"""A depth map of one scene holds NaN where the sensor saw nothing, and nothing masks it out of the loss
(prs-eth/Marigold issue 111).
"""

from __future__ import annotations

import math

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 12)
    model = kit.named(
        enc=nn.Conv2d(3, width, 3, padding=1),
        act=nn.SiLU(),
        mid=nn.Conv2d(width, width, 3, padding=1),
        act2=nn.SiLU(),
        out=nn.Conv2d(width, 1, 3, padding=1),
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    pictures = [torch.randn(6, 3, 10, 10) for _ in range(50)]
    batches = [(x, x.mean(1, keepdim=True)) for x in pictures]
    if not repaired:
        batches[step][1][knobs.randint(0, 5), 0, 3:5, 2:7] = math.nan
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        # The targets of a regression are data and labels at once.
        Expected(("bad-data", "bad-labels"), ("data",), (), step),
    )
