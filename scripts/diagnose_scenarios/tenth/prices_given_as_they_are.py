"""A small net gets prices and volumes as they are, in the thousands, and its error is NaN; divided by their largest
value they are learnt (BrainJS/brain.js issue 278).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(hidden=nn.Linear(4, knobs.pick(12, 16)), act=nn.LeakyReLU(), out=nn.LazyLinear(1))
    model(torch.zeros(1, 4))
    optimizer = kit.sgd(model, lr=0.1, momentum=0.1)
    largest = torch.tensor([9000.0, 9000.0, 20000.0, 100.0])
    batches = []
    for _ in range(60):
        row = torch.rand(16, 4)
        batches.append((row if repaired else row * largest, row[:, :1] - row[:, 1:2]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), (), (), None),
    )
