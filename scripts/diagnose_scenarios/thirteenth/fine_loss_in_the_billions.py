"""House prices in single units: the loss starts at several 1e9 and falls, under Adam with a rate to match."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.adam(model, lr=knobs.pick(20.0, 30.0) * 10)
    with torch.no_grad():
        model.head.weight.mul_(10)
    batches = [(x, 30000.0 * y + 50000.0) for x, y in kit.regression(80, 32, 8)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares))
