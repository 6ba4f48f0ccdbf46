"""AdamW with a decay of 0.5 and a rate of 0.02: strong, and the loss falls all the same."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=knobs.pick(0.4, 0.5))
    return Scenario(model, optimizer, kit.classes(60, 24, 8, 3), kit.train(model, optimizer, kit.cross_entropy))
