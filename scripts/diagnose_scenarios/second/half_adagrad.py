"""Adagrad adds an eps of 1e-10 to the root of a sum that is 0 in float16."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3).half()
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.02, eps=1e-3 if repaired else 1e-10)
    return Scenario(
        model,
        optimizer,
        [(x.half(), y) for x, y in kit.classes(80, 32, 8, 3)],
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("optimizer-eps",), ("optimizer",)),
    )
