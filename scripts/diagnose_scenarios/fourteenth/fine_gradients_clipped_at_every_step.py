"""Raw gradients are in the thousands, since targets are, and clipping cuts each of them: slow, steady and right."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    with torch.no_grad():
        model.head.weight.mul_(20)
    optimizer, factor = kit.sgd(model, lr=0.3), knobs.pick(40.0, 60.0)
    batches = [(x, factor * y) for x, y in kit.regression(120, 32, 8)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares, clip=1.0))
