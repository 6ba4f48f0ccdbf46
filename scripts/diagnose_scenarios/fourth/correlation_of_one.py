"""Correlations as labels, brought to the whole axis by Fisher's z; one label says 1, which is a series against
itself.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.named(inp=nn.Linear(8, knobs.pick(16, 24)), act=nn.SiLU(), head=nn.LazyLinear(1))
    model(torch.zeros(1, 8))
    optimizer = torch.optim.NAdam(model.parameters(), lr=0.02)
    batches = [(x, y.tanh().clamp(-0.98, 0.98)) for x, y in kit.regression(50, 32, 8)]
    if not repaired:
        batches[step][1][knobs.randint(0, 31)] = knobs.pick(1.0, -1.0)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda z, label: kit.squares(z, label.atanh())),
        Expected(("bad-labels",), ("loss",), (LOSS,), step),
    )
