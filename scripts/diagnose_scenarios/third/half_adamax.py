"""Adamax on float16 weights: its eps of 1e-8 is zero there, and a feature that is never on gives zero over zero."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3).half()
    optimizer = torch.optim.Adamax(model.parameters(), lr=0.01, eps=1e-4 if repaired else 1e-8)
    batches = kit.classes(60, 32, 8, 3)
    column = knobs.randint(0, 7)
    for x, _ in batches:
        x[:, column] = 0.0
    return Scenario(
        model,
        optimizer,
        [(x.half(), y) for x, y in batches],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("optimizer-eps",), ("optimizer",)),
    )
