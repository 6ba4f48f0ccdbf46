"""Labels drawn at random: a healthy training that cannot learn anything."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    optimizer = kit.sgd(model, lr=0.05)
    batches = [(torch.randn(32, 8), torch.randint(3, (32,))) for _ in range(60)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy), learns=False)
