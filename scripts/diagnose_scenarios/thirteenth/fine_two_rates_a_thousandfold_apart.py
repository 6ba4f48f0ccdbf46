"""The body moves at 1e-4 and the head at 0.1, as in fine-tuning; both are meant."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(24, 32), 3)
    groups = [{"params": model.inp.parameters(), "lr": 1e-4}, {"params": model.head.parameters(), "lr": 0.1}]
    optimizer = torch.optim.SGD(groups, momentum=0.9)
    return Scenario(model, optimizer, kit.classes(60, 24, 8, 3), kit.train(model, optimizer, kit.cross_entropy))
