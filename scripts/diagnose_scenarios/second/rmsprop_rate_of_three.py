"""RMSprop with a learning rate of 3: no NaN, but the loss only grows."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.005 if repaired else knobs.pick(2.0, 3.0))
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 32, 8),
        kit.train(model, optimizer, kit.squares),
        Expected(("learning-rate",), (), (), None, "diverges"),
    )
