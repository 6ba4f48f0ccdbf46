"""Features of programs are divided by their largest value before training; no program has the last one, and the whole
column comes out as 0 / 0 (evandowning/deepreflect issue 11).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    features, width = knobs.pick(10, 12), 24
    counts = torch.poisson(2 * torch.rand(1600, 3) @ torch.rand(3, features) * 3)
    counts[:, knobs.randint(0, features - 1)] = 0
    largest = counts.amax(0)
    table = counts / (largest.clamp(min=1) if repaired else largest)
    model = kit.named(
        enc=nn.Linear(features, width),
        act1=nn.ReLU(),
        code=nn.Linear(width, 3),
        act2=nn.ReLU(),
        dec=nn.Linear(3, features),
    )
    optimizer = kit.adam(model, lr=0.01)
    return Scenario(
        model,
        optimizer,
        [(rows, rows) for rows in table.split(32)],
        kit.train(model, optimizer, kit.squares),
        Expected(("bad-data", "division-by-zero"), ("data", "forward"), ("enc",), 0),
    )
