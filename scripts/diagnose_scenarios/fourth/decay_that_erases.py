"""Rate times decay is 0.9: every step leaves a tenth of each weight, and whatever was learnt is gone with it."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    with torch.no_grad():
        model.head.weight.mul_(0.1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=0.01 if repaired else 45.0)
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 32, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("weight-decay",), (), (), None, "stalls"),
    )
