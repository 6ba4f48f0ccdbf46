"""Labels have nothing to do with the inputs: the loss rightly stays at the logarithm of the number of classes."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    count = knobs.pick(3, 5)
    model = kit.mlp(8, 16, count)
    optimizer = kit.sgd(model, lr=0.02)
    batches = [(torch.randn(32, 8), torch.randint(count, (32,))) for _ in range(50)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy), learns=False)
