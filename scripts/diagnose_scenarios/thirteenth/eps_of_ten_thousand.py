"""Adam was given eps = 10000, meant for another argument: every step is divided by it and nothing is learnt."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    kind = knobs.pick(torch.optim.Adam, torch.optim.NAdam)
    optimizer = kind(model.parameters(), lr=0.01, eps=1e-8 if repaired else knobs.pick(1e3, 1e4))
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 24, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("optimizer-eps",), ("optimizer",), (), None, "stalls"),
    )
