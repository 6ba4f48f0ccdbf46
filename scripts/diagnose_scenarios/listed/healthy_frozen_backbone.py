"""Only the head is trained; the backbone gives no gradient."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(24, 32), 1)
    model.inp.requires_grad_(False)
    optimizer = torch.optim.SGD(model.head.parameters(), lr=0.1)
    return Scenario(model, optimizer, kit.regression(60, 16, 8), kit.train(model, optimizer, kit.squares))
