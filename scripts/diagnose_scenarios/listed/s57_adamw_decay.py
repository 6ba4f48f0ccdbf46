"""AdamW with a weight decay of 50: decoupled decay multiplies the weights by a negative number above 1."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    lr = knobs.pick(0.05, 0.1)
    decay = 0.01 if repaired else knobs.pick(4.0, 5.0) / lr
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=decay)
    return Scenario(
        model,
        optimizer,
        kit.classes(120, 16, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("weight-decay",), (), (), None),
    )
