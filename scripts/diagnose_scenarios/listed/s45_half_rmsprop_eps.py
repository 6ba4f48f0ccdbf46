"""RMSprop on float16 weights with its default eps of 1e-8."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3).half()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.002, eps=1e-3 if repaired else 1e-8)
    factor = knobs.pick(0.05, 0.1)
    return Scenario(
        model,
        optimizer,
        [(x.half(), y) for x, y in kit.classes(80, 32, 8, 3)],
        kit.train(model, optimizer, lambda p, y: factor * kit.cross_entropy(p, y)),
        Expected(("optimizer-eps",), ("optimizer",)),
    )
