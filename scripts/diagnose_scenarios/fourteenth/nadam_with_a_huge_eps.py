"""NAdam's eps was set to 1e4 to be safe in half precision: the divisor is 1e4 for every weight, and nothing moves."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    optimizer = torch.optim.NAdam(model.parameters(), lr=0.01, eps=1e-4 if repaired else knobs.pick(1e4, 3e4))
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 64, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.bfloat16),
        Expected(("optimizer-eps",), ("optimizer",), (), None, "stalls"),
    )
