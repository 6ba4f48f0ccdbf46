"""AdamW with a weight decay of 2 or 3 at a rate of 0.02: weights stay small, and the net learns what it can."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=knobs.pick(2.0, 3.0))
    return Scenario(model, optimizer, kit.classes(80, 32, 8, 3), kit.train(model, optimizer, kit.cross_entropy))
