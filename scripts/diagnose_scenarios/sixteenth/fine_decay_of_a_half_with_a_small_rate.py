"""A weight decay of 0.5 looks large, but the rate of 0.01 makes it half a percent a step, and the net learns."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(18, 24), 4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=knobs.pick(0.4, 0.5))
    return Scenario(model, optimizer, kit.classes(70, 24, 8, 4), kit.train(model, optimizer, kit.cross_entropy))
