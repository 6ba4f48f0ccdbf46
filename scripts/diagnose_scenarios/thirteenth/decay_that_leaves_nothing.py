"""A weight decay of 20, meant as 5e-4, pulls every weight to 0 faster than the gradient can push."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model, decay = kit.mlp(8, knobs.pick(16, 24), 3), knobs.pick(15.0, 25.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=5e-4 if repaired else decay)
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 24, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("weight-decay",), (), (), None, "stalls"),
    )
