"""An eps of 1e4 where 1e-4 was meant: Adam divides every step by ten thousand, and the loss hardly moves."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(6, knobs.pick(18, 24), 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02, eps=1e-4 if repaired else knobs.pick(1e4, 3e4))
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 32, 6),
        kit.train(model, optimizer, kit.squares),
        Expected(("optimizer-eps",), ("optimizer",), (), None, "stalls"),
    )
