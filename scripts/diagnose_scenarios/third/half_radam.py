"""RAdam on float16 weights: harmless while it warms up, and at its sixth step it divides by an eps of zero."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    model = kit.named(inp=nn.Linear(8, width), act=nn.Tanh(), out=nn.Linear(width, 1)).half()
    optimizer = torch.optim.RAdam(model.parameters(), lr=0.01, eps=1e-3 if repaired else 1e-8)
    batches = kit.regression(80, 32, 8)
    column = knobs.randint(0, 7)
    for x, _ in batches:
        x[:, column] = 0.0
    return Scenario(
        model,
        optimizer,
        [(x.half(), y.half()) for x, y in batches],
        kit.train(model, optimizer, kit.squares),
        Expected(("optimizer-eps",), ("optimizer",), (), 5),
    )
