"""NAdam on float16 weights with dead units."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 2)
    with torch.no_grad():
        model.inp.bias[0] = -50
    model = model.half()
    optimizer = torch.optim.NAdam(model.parameters(), lr=0.004, eps=1e-3 if repaired else 1e-8)
    return Scenario(
        model,
        optimizer,
        [(x.half(), y.half()) for x, y in kit.regression(100, 32, 8, 2)],
        kit.train(model, optimizer, kit.squares),
        Expected(("optimizer-eps",), ("optimizer",)),
    )
